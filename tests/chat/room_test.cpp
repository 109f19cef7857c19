#include "room_fixture.hpp"

namespace polyio::chat {
namespace {

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
  room.distribute();
  EXPECT_EQ(line->outbox.take().pieces.size(), 4u) << "at most 32 in a piece";
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
  room.distribute();
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
  room.tell_presence();
  room.said(message(1, "b"));
  room.reply(line, "reply\n");
  room.said(message(1, "c"));
  room.remove(line);  // which hears what was said while it was there
  room.said(message(1, "d"));
  room.distribute();
  std::vector<std::string> order;
  for (const json& event : events_of(page)) {
    order.push_back(event["type"] == "message" ? event["text"] : event["type"]);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a", "join", "b", "c", "d"}));
  EXPECT_EQ(lines_of(line), "[name] a\n[name] b\nreply\n[name] c\n");
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
  room.tell_presence();
  for (int i = 0; i < 205; ++i) room.said(message(1, std::to_string(i)));
  const auto page = client(2, Wire::websocket), line = client(3, Wire::line);
  room.add(page);
  room.add(line);
  room.distribute();
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

TEST(Room, SendsALongHistoryAsItIsTaken) {
  Room room;
  say_much(room, 100);
  room.distribute();
  const auto page = client(1, Wire::websocket);
  room.add(page);
  std::size_t got = 0;
  for (bool more = true; more;) {
    const auto batch = page->outbox.take();
    more = batch.catching_up();
    EXPECT_FALSE(page->outbox.reader_must_wait()) << "it may speak meanwhile";
    std::size_t bytes = 0;
    for (const Piece& part : batch.pieces) bytes += part->size();
    EXPECT_LT(bytes, 2 * history_chunk);
    proto::WebSocketReader reader(proto::WebSocketReader::Role::client, 1 << 24);
    reader.feed(std::as_bytes(std::span(*batch.pieces.at(0))));
    got += json::parse(reader.next()->payload)["messages"].size();
    room.go_on(page);
    if (got == 50) say_much(room, 1);  // comes in its place
    room.distribute();
  }
  EXPECT_GE(got, 100u);
  EXPECT_EQ(room.listening(), 1u);
}

TEST(Room, CountsWhatWasSaidWhileAClientDidNotTakeItsHistory) {
  Room room;
  say_much(room, 200);
  room.distribute();
  const auto asker = client(1, Wire::line);
  room.add(asker);
  asker->outbox.expect_history();
  room.send_history(asker, 200);
  EXPECT_TRUE(asker->outbox.reader_must_wait()) << "or it could ask for more";
  std::size_t got = static_cast<std::size_t>(std::ranges::count(lines_of(asker), '\n'));
  EXPECT_GT(got, 0u);
  for (int i = 0; i < 250; ++i) room.said(message(1, "later"));
  room.distribute();
  room.go_on(asker);
  const auto batch = asker->outbox.take();
  EXPECT_FALSE(asker->outbox.reader_must_wait());
  EXPECT_EQ(batch.skipped, 250 - got);
  EXPECT_EQ(batch.gap_at, 0u);
}

TEST(Room, CountsWhatAPageThatLeavesHasNotTakenOfItsHistory) {
  Room room;
  say_much(room, 100);
  room.distribute();
  const auto page = client(1, Wire::websocket);
  room.add(page);
  room.reply_last(page, "close");
  room.remove(page);
  const auto batch = page->outbox.take();
  ASSERT_EQ(batch.pieces.size(), 2u);
  EXPECT_EQ(*batch.pieces[1], "close");
  EXPECT_EQ(batch.gap_at, 1u);
  EXPECT_GT(batch.skipped, 90u);
  EXPECT_TRUE(batch.closed());
}

// A client gets what is said from its coming on, though it begins to take it later.
TEST(Room, ExpectsAClient) {
  Room room;
  const auto guest = client(1, Wire::line);
  room.said(message(1, "before"));
  room.expect(guest);
  room.said(message(1, "meanwhile"));
  room.distribute();
  room.add(guest);
  room.said(message(1, "after"));
  room.distribute();
  EXPECT_EQ(lines_of(guest), "[name] meanwhile\n[name] after\n");
}

TEST(Room, SendsAsMuchHistoryAsAsked) {
  Room room;
  const auto asker = client(1, Wire::line);
  room.add(asker);
  room.send_history(asker, 10);
  EXPECT_EQ(lines_of(asker), "-- nothing has been said yet\n");
  for (int i = 0; i < 3; ++i) room.said(message(1, std::to_string(i)));
  room.distribute();
  EXPECT_EQ(lines_of(asker), "[name] 0\n[name] 1\n[name] 2\n");
  room.send_history(asker, 2);
  EXPECT_EQ(lines_of(asker), "[name] 1\n[name] 2\n");
  room.send_history(asker, SIZE_MAX);
  EXPECT_EQ(lines_of(asker), "[name] 0\n[name] 1\n[name] 2\n");
  room.said(message(1, "3"));
  room.distribute();
  EXPECT_EQ(lines_of(asker), "[name] 3\n");
}

TEST(Room, ListsTheFirstFiveHundred) {
  Room room;
  for (std::uint64_t id = 1; id <= 502; ++id) room.came(id, name("n" + std::to_string(id)));
  room.tell_presence();
  const auto asker = client(2, Wire::line), page = client(600, Wire::websocket);
  room.send_who(asker);
  const std::string text = lines_of(asker);
  EXPECT_TRUE(text.starts_with("-- 502 here:\n-- n1\n-- n2 (you)\n-- n3\n")) << text;
  EXPECT_TRUE(text.ends_with("-- n500\n-- and 2 more\n")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 502);
  room.add(page);
  const json who = events_of(page).at(1);
  EXPECT_EQ(who["people"].size(), 500u);
  EXPECT_EQ(who["total"], 502);
}

}  // namespace
}  // namespace polyio::chat
