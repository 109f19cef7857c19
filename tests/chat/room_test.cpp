#include <gtest/gtest.h>
#include <chat/room.hpp>
#include <polyio/proto/websocket.hpp>

#include <nlohmann/json.hpp>

namespace polyio::chat {
namespace {

using nlohmann::json;

ClientPtr client(std::uint64_t id, Wire wire) {
  auto made = std::make_shared<Client>();
  made->id = id;
  made->wire = wire;
  made->address = "name " + std::to_string(id);
  return made;
}

Name name(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

MessagePtr message(std::uint64_t sender, std::string text) {
  return std::make_shared<const Message>(sender, "name", std::move(text), 1'700'000'000'000);
}

std::string lines_of(const ClientPtr& receiver) {
  std::string all;
  for (const Piece& piece : receiver->outbox.take().pieces) all += *piece;
  return all;
}

std::vector<json> events_of(const ClientPtr& receiver) {
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

TEST(Room, GivesAMessageToEveryClientInItsProtocol) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.said(message(1, "hello"));
  room.distribute();
  EXPECT_EQ(lines_of(line), "[name] hello\n");
  const auto events = events_of(page);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0], json::parse(R"({"type":"message","id":1,"name":"name","text":"hello",
                                       "time":1700000000000})"));
}

TEST(Room, SharesOneEncodingAmongReceivers) {
  Room room;
  const ClientPtr clients[] = {client(1, Wire::line), client(2, Wire::line),
                               client(3, Wire::websocket), client(4, Wire::websocket)};
  for (const ClientPtr& one : clients) room.add(one);
  for (const ClientPtr& one : clients) (void)lines_of(one);
  room.said(message(1, "hello"));
  room.distribute();
  std::vector<const std::string*> pieces;
  for (const ClientPtr& one : clients) pieces.push_back(one->outbox.take().pieces.at(0).get());
  EXPECT_EQ(pieces[0], pieces[1]);
  EXPECT_EQ(pieces[2], pieces[3]);
}

TEST(Room, GivesOutTogetherWhatWasSaidInATurn) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.said(message(1, "a"));
  room.said(message(1, "b"));
  EXPECT_TRUE(room.undistributed());
  EXPECT_EQ(lines_of(line), "");
  room.distribute();
  EXPECT_FALSE(room.undistributed());
  const auto batch = line->outbox.take();
  ASSERT_EQ(batch.pieces.size(), 1u);
  EXPECT_EQ(*batch.pieces[0], "[name] a\n[name] b\n");
  const auto events = events_of(page);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["text"], "a");
  EXPECT_EQ(events[1]["text"], "b");
  for (int i = 0; i < 100; ++i) room.said(message(1, "m"));
  EXPECT_FALSE(line->outbox.take().empty()) << "not without end";
}

TEST(Room, GivesOutSliceBySlice) {
  Room room;
  std::vector<ClientPtr> clients;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    room.add(clients.emplace_back(client(id, id <= 3 ? Wire::line : Wire::websocket)));
  }
  for (const ClientPtr& one : clients) (void)one->outbox.take();
  const auto heard = [&] {
    return std::ranges::count_if(clients,
                                 [](const auto& one) { return !one->outbox.take().empty(); });
  };
  room.said(message(1, "a"));
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2);
  room.said(message(1, "b"));  // to all, after "a" has reached all
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2);
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2) << "the last one, and the first one again";
  room.remove(clients[1]);  // "b" goes to all that were there
  for (const ClientPtr& one : clients) {
    const auto batch = one->outbox.take();
    EXPECT_EQ(batch.pieces.size(), one->id == 1 ? 0u : 1u) << one->id;
  }
  EXPECT_FALSE(room.distribute_to(2));
}

TEST(Room, KeepsTheOrderOfMessagesAndAllElse) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.said(message(1, "a"));
  room.came(7, name("alice"));
  room.said(message(1, "b"));
  room.renamed(7, name("bob"));
  room.said(message(1, "c"));
  room.went(7);
  room.said(message(1, "d"));
  room.reply(*line, "reply\n");
  room.said(message(1, "e"));
  room.remove(line);  // which hears what was said while it was there
  std::vector<std::string> order;
  for (const json& event : events_of(page)) {
    order.push_back(event["type"] == "message" ? event["text"] : event["type"]);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a", "join", "b", "rename", "c", "leave", "d", "e"}));
  EXPECT_EQ(lines_of(line), "[name] a\n[name] b\n[name] c\n[name] d\nreply\n[name] e\n");
}

TEST(Room, ShowsJoinsAndLeavesToPagesOnly) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.came(7, name("alice"));
  room.renamed(7, name("bob"));
  room.went(7);
  EXPECT_EQ(lines_of(line), "");
  EXPECT_EQ(events_of(page), (std::vector<json>{{{"type", "join"}, {"id", 7}, {"name", "alice"}},
                                                {{"type", "rename"}, {"id", 7}, {"name", "bob"}},
                                                {{"type", "leave"}, {"id", 7}}}));
  EXPECT_EQ(room.present(), 0u);
}

TEST(Room, RenamesNoClientThatHasLeft) {
  Room room;
  room.renamed(9, name("ghost"));
  EXPECT_EQ(room.present(), 0u);
}

TEST(Room, RemovesInAnyOrderAndTwice) {
  for (const Wire wire : {Wire::line, Wire::websocket}) {
    for (std::uint64_t leaver = 1; leaver <= 4; ++leaver) {
      Room room;
      std::vector<ClientPtr> clients;
      for (std::uint64_t id = 1; id <= 4; ++id) room.add(clients.emplace_back(client(id, wire)));
      room.remove(clients[leaver - 1]);
      room.remove(clients[leaver - 1]);
      room.remove(client(99, wire));
      for (const ClientPtr& one : clients) (void)one->outbox.take();
      room.said(message(1, "who hears?"));
      room.distribute();
      for (const ClientPtr& one : clients) {
        EXPECT_EQ(one->outbox.take().pieces.size(), one->id == leaver ? 0u : 1u);
      }
      for (const ClientPtr& one : clients) room.remove(one);
      EXPECT_EQ(room.listening(), 0u);
      for (const ClientPtr& one : clients) EXPECT_EQ(one.use_count(), 1) << "kept by the room";
    }
  }
}

TEST(Room, GreetsAPageWithHistoryAndPeople) {
  Room room;
  room.came(1, name("alice"));
  for (int i = 0; i < 205; ++i) room.said(message(1, std::to_string(i)));
  const auto page = client(2, Wire::websocket), line = client(3, Wire::line);
  room.add(page);
  room.add(line);
  const auto events = events_of(page);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["type"], "history");
  ASSERT_EQ(events[0]["messages"].size(), Room::history_limit);
  EXPECT_EQ(events[0]["messages"][0]["text"], "5");
  EXPECT_EQ(events[0]["messages"][199]["text"], "204");
  EXPECT_EQ(events[1], json::parse(R"({"type":"who","people":[{"id":1,"name":"alice"}],
                                       "total":1})"));
  EXPECT_EQ(lines_of(line), "") << "no greeting for lines";
}

TEST(Room, SendsAsMuchHistoryAsAsked) {
  Room room;
  const auto asker = client(1, Wire::line);
  room.send_history(*asker, 10);
  EXPECT_EQ(lines_of(asker), "-- nothing has been said yet\n");
  for (int i = 0; i < 3; ++i) room.said(message(1, std::to_string(i)));
  room.send_history(*asker, 2);
  EXPECT_EQ(lines_of(asker), "[name] 1\n[name] 2\n");
  room.send_history(*asker, SIZE_MAX);
  EXPECT_EQ(lines_of(asker), "[name] 0\n[name] 1\n[name] 2\n");
}

TEST(Room, ListsTheFirstFiveHundred) {
  Room room;
  for (std::uint64_t id = 1; id <= 502; ++id) room.came(id, name("n" + std::to_string(id)));
  const auto asker = client(2, Wire::line), page = client(600, Wire::websocket);
  room.send_who(*asker);
  const std::string text = lines_of(asker);
  EXPECT_TRUE(text.starts_with("-- 502 here:\n-- n1\n-- n2 (you)\n-- n3\n")) << text;
  EXPECT_TRUE(text.ends_with("-- n500\n-- and 2 more\n")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 502);
  room.add(page);
  const json who = events_of(page).at(1);
  EXPECT_EQ(who["people"].size(), 500u);
  EXPECT_EQ(who["total"], 502);
}

// docs/chat-page.md: the first 500, you among them.
TEST(Room, ListsThePageItselfAmongMany) {
  Room room;
  for (std::uint64_t id = 1; id <= 600; ++id) room.came(id, name("n" + std::to_string(id)));
  const auto page = client(600, Wire::websocket);
  room.add(page);
  const json who = events_of(page).at(1);
  EXPECT_EQ(who["people"].size(), 500u);
  EXPECT_EQ(who["total"], 600);
  EXPECT_NE(std::ranges::find(who["people"], json{{"id", 600}, {"name", "n600"}}),
            who["people"].end());
}

}  // namespace
}  // namespace polyio::chat
