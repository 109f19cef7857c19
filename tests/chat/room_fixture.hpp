// What the tests of a Room have in common: clients without sessions, and what they get.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chat/frames.hpp>
#include <chat/room.hpp>
#include <nlohmann/json.hpp>
#include <polyio/proto/websocket.hpp>

namespace polyio::chat {

using nlohmann::json;

inline ClientPtr client(std::uint64_t id, Wire wire) {
  auto made = std::make_shared<Client>();
  made->id = id;
  made->wire = wire;
  made->address = "name " + std::to_string(id);
  return made;
}

inline Name name(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

inline MessagePtr message(std::uint64_t sender, std::string text) {
  return std::make_shared<const Message>(sender, "name", std::move(text), 1'700'000'000'000);
}

inline std::string lines_of(const ClientPtr& receiver) {
  std::string all;
  for (const Piece& piece : receiver->outbox.take().pieces) all += *piece;
  return all;
}

inline std::vector<json> events_of(const ClientPtr& receiver) {
  const std::string bytes = lines_of(receiver);
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

// A room in which two have been greeted.
struct LineAndPage {
  LineAndPage() {
    room.add(line);
    room.add(page);
    (void)events_of(page);  // history and who
  }
  Room room;
  const ClientPtr line = client(1, Wire::line), page = client(2, Wire::websocket);
};

// As many messages of 8 KiB as an outbox holds.
inline constexpr int full = 256 * 1024 / 8192;

inline void say_much(Room& room, int count, const ClientPtr& sender = nullptr) {
  for (int i = 0; i < count; ++i) room.said(message(1, std::string(8000, 'x')), sender);
}

}  // namespace polyio::chat
