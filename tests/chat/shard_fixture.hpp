// What the tests of a Shard have in common: clients without sessions, and what they get.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chat/model/frames.hpp>
#include <chat/model/shard.hpp>
#include <nlohmann/json.hpp>
#include <polyio/proto/websocket.hpp>

namespace polyio::chat {

using nlohmann::json;

inline ClientPtr client(Wire wire) { return std::make_shared<Client>(wire); }

inline Name name(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

inline MessagePtr message(PersonId author, std::string text, Sequence sequence = 1) {
  return std::make_shared<const Message>(Entry{.sequence = sequence,
                                               .time_ms = 1'700'000'000'000,
                                               .author = author,
                                               .name = "name",
                                               .text = std::move(text)});
}

// The next entry of the room's log.
inline void say(Shard& room, std::string text, const ClientPtr& sender = nullptr) {
  room.said(message(1, std::move(text), room.expects()), sender);
}

inline std::string lines_of(const ClientPtr& receiver) {
  std::string all;
  for (const Piece& piece : receiver->outbox.take().pieces) all += *piece;
  return all;
}

inline std::vector<json> events_in(const std::string& bytes) {
  proto::WebSocketReader reader(proto::WebSocketReader::Role::client, 1 << 24);
  reader.feed(std::as_bytes(std::span(bytes)));
  std::vector<json> events;
  while (const auto event = reader.next()) {
    EXPECT_EQ(event->kind, proto::WebSocketEvent::Kind::message);
    events.push_back(json::parse(event->payload));
  }
  EXPECT_FALSE(reader.mid_message());
  return events;
}

inline std::vector<json> events_of(const ClientPtr& receiver) {
  return events_in(lines_of(receiver));
}

// The texts of the entries in them.
inline std::vector<std::string> texts_of(const std::vector<json>& events) {
  std::vector<std::string> texts;
  for (const json& event : events) {
    if (!event.contains("entries")) {
      texts.push_back(event["type"]);
      continue;
    }
    for (const json& entry : event["entries"]) texts.push_back(entry["text"]);
  }
  return texts;
}

// The people of a room, as its shard asks for them.
class Present {
 public:
  std::map<PersonId, Name> people;

  Shard::TakeCensus census() {
    return [this](std::size_t most) {
      People::Census census{{}, people.size()};
      for (const auto& [id, one] : people) {
        if (census.first.size() < most) census.first.emplace(id, one);
      }
      return census;
    };
  }
  void came(Shard& room, PersonId id, const std::string& called) {
    people[id] = name(called);
    room.came(id, people[id]);
  }
  void went(Shard& room, PersonId id) {
    people.erase(id);
    room.went(id);
  }
  void renamed(Shard& room, PersonId id, const std::string& called) {
    people[id] = name(called);
    room.renamed(id, people[id]);
  }
};

// A room with a line client and a page, which watches its people.
struct LineAndPage {
  LineAndPage() {
    room.add(line);
    room.add(page);
    room.watch(page, present.census());
    (void)events_of(page);  // who
  }
  Present present;
  Shard room{lobby_id};
  const ClientPtr line = client(Wire::line), page = client(Wire::page);
};

// As many messages of 8 KiB as an outbox holds.
inline constexpr int full = 256 * 1024 / 8192;

inline void say_much(Shard& room, int count, const ClientPtr& sender = nullptr) {
  for (int i = 0; i < count; ++i) say(room, std::string(8000, 'x'), sender);
}

}  // namespace polyio::chat
