#include "shard_fixture.hpp"

namespace polyio::chat {
namespace {

TEST(Shard, GivesAMessageToEveryClientInItsProtocol) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say(room, "hello");
  room.distribute();
  EXPECT_EQ(lines_of(line), "[name] hello\n");
  const auto events = events_of(page);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0], json::parse(R"({"type":"entries","room":1,"entries":[
                                       {"seq":1,"id":1,"name":"name","time":1700000000000,
                                        "text":"hello"}]})"));
}

TEST(Shard, SharesOneEncodingAmongReceivers) {
  Shard room(lobby_id);
  const ClientPtr clients[] = {client(Wire::line), client(Wire::line), client(Wire::page),
                               client(Wire::page)};
  for (const ClientPtr& one : clients) room.add(one);
  for (const ClientPtr& one : clients) (void)lines_of(one);
  say(room, "hello");
  room.distribute();
  std::vector<const std::string*> pieces;
  for (const ClientPtr& one : clients) pieces.push_back(one->outbox.take().pieces.at(0).get());
  EXPECT_EQ(pieces[0], pieces[1]);
  EXPECT_EQ(pieces[2], pieces[3]);
}

TEST(Shard, GivesOutTogetherWhatWasSaidInATurn) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say(room, "a");
  say(room, "b");
  EXPECT_TRUE(room.undistributed());
  EXPECT_EQ(lines_of(line), "");
  room.distribute();
  EXPECT_FALSE(room.undistributed());
  const auto batch = line->outbox.take();
  ASSERT_EQ(batch.pieces.size(), 1u);
  EXPECT_EQ(*batch.pieces[0], "[name] a\n[name] b\n");
  const auto events = events_of(page);
  EXPECT_EQ(texts_of(events), (std::vector<std::string>{"a", "b"}));
  for (int i = 0; i < 100; ++i) say(room, "m");
  room.distribute();
  EXPECT_EQ(line->outbox.take().pieces.size(), 4u) << "at most 32 in a piece";
}

TEST(Shard, GivesOutSliceBySlice) {
  Shard room(lobby_id);
  std::vector<ClientPtr> clients;
  for (int id = 1; id <= 5; ++id) {
    room.add(clients.emplace_back(client(id <= 3 ? Wire::line : Wire::page)));
  }
  for (const ClientPtr& one : clients) (void)one->outbox.take();
  const auto heard = [&] {
    return std::ranges::count_if(clients,
                                 [](const auto& one) { return !one->outbox.take().empty(); });
  };
  say(room, "a");
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2);
  say(room, "b");  // to all, after "a" has reached all
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2);
  EXPECT_TRUE(room.distribute_to(2));
  EXPECT_EQ(heard(), 2) << "the last one, and the first one again";
  room.remove(clients[1]);  // "b" goes to all that were there
  room.distribute();
  for (std::size_t at = 0; at < clients.size(); ++at) {
    EXPECT_EQ(clients[at]->outbox.take().pieces.size(), at == 0 ? 0u : 1u) << at;
  }
  EXPECT_FALSE(room.distribute_to(2));
}

TEST(Shard, KeepsTheOrderOfMessagesAndAllElse) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say(room, "a");
  present.came(room, 7, "alice");
  room.tell_presence(present.census());
  say(room, "b");
  room.reply(line, "reply\n");
  say(room, "c");
  room.remove(line);  // which hears what was said while it was there
  say(room, "d");
  room.distribute();
  EXPECT_EQ(texts_of(events_of(page)), (std::vector<std::string>{"a", "join", "b", "c", "d"}));
  EXPECT_EQ(lines_of(line), "[name] a\n[name] b\nreply\n[name] c\n");
}

TEST(Shard, RemovesInAnyOrderAndTwice) {
  for (const Wire wire : {Wire::line, Wire::page}) {
    for (std::size_t leaver = 0; leaver < 4; ++leaver) {
      Shard room(lobby_id);
      std::vector<ClientPtr> clients;
      for (int id = 0; id < 4; ++id) room.add(clients.emplace_back(client(wire)));
      room.remove(clients[leaver]);
      room.remove(clients[leaver]);
      room.remove(client(wire));
      for (const ClientPtr& one : clients) (void)one->outbox.take();
      say(room, "who hears?");
      room.distribute();
      for (std::size_t at = 0; at < 4; ++at) {
        EXPECT_EQ(clients[at]->outbox.take().pieces.size(), at == leaver ? 0u : 1u);
      }
      for (const ClientPtr& one : clients) room.remove(one);
      EXPECT_EQ(room.listening(), 0u);
      for (const ClientPtr& one : clients) EXPECT_EQ(one.use_count(), 1) << "kept by the room";
    }
  }
}

TEST(Shard, SendsAPageTheNewestEntries) {
  Shard room(lobby_id);
  for (int i = 1; i <= 205; ++i) say(room, std::to_string(i));
  room.distribute();
  const auto page = client(Wire::page), line = client(Wire::line);
  room.add(page);
  room.add(line);
  EXPECT_TRUE(events_of(page).empty()) << "no greeting";
  EXPECT_EQ(lines_of(line), "");
  room.send_newest(page, 3);
  auto events = events_of(page);
  EXPECT_EQ(texts_of(events), (std::vector<std::string>{"203", "204", "205"}));
  EXPECT_EQ(events[0]["type"], "history");
  EXPECT_EQ(events[0]["entries"][0]["seq"], 203);
  EXPECT_FALSE(events[0].contains("start"));
  room.send_newest(page, 1'000);
  EXPECT_EQ(texts_of(events_of(page)).size(), Shard::history_limit);
  Shard young(lobby_id);
  say(young, "a");
  young.distribute();
  young.send_newest(page, 50);
  events = events_of(page);
  EXPECT_EQ(texts_of(events), (std::vector<std::string>{"a"}));
  EXPECT_TRUE(events[0].value("start", false));
}

TEST(Shard, ResumesAfterWhatAPageHas) {
  Shard room(lobby_id);
  for (int i = 1; i <= 250; ++i) say(room, std::to_string(i));
  room.distribute();
  const auto page = client(Wire::page);
  room.add(page);
  room.resume(page, 249);
  EXPECT_EQ(texts_of(events_of(page)), (std::vector<std::string>{"249", "250"}));
  say(room, "251");
  room.distribute();
  EXPECT_EQ(texts_of(events_of(page)), (std::vector<std::string>{"251"}));
  room.resume(page, 11);  // of which it can't have what is older than the newest 200
  const auto batch = page->outbox.take();
  ASSERT_EQ(batch.gaps.size(), 1u);
  EXPECT_EQ(batch.gaps[0].from, 11u);
  EXPECT_EQ(batch.gaps[0].to, 51u);
  EXPECT_EQ(batch.gap_at, 0u);
  room.resume(page, 999);
  EXPECT_TRUE(page->outbox.take().empty()) << "the page has more than there is";
}

TEST(Shard, SendsALongHistoryAsItIsTaken) {
  Shard room(lobby_id);
  say_much(room, 100);
  room.distribute();
  const auto page = client(Wire::page);
  room.add(page);
  room.resume(page, 1);
  std::size_t got = 0;
  for (bool more = true; more;) {
    const auto batch = page->outbox.take();
    more = batch.catching_up();
    EXPECT_FALSE(page->outbox.reader_must_wait()) << "it may speak meanwhile";
    std::size_t bytes = 0;
    for (const Piece& part : batch.pieces) bytes += part->size();
    EXPECT_LT(bytes, 2 * history_chunk);
    got += texts_of(events_in(*batch.pieces.at(0))).size();
    room.go_on(page);
    if (got == 50) say_much(room, 1);  // comes in its place
    room.distribute();
  }
  EXPECT_GE(got, 100u);
  EXPECT_EQ(room.listening(), 1u);
}

TEST(Shard, CountsWhatWasSaidWhileAClientDidNotTakeItsHistory) {
  Shard room(lobby_id);
  say_much(room, 200);
  room.distribute();
  const auto asker = client(Wire::line);
  room.add(asker);
  asker->outbox.expect_history();
  room.send_history(asker, 200);
  EXPECT_TRUE(asker->outbox.reader_must_wait()) << "or it could ask for more";
  std::size_t got = static_cast<std::size_t>(std::ranges::count(lines_of(asker), '\n'));
  EXPECT_GT(got, 0u);
  for (int i = 0; i < 250; ++i) say(room, "later");
  room.distribute();
  room.go_on(asker);
  const auto batch = asker->outbox.take();
  EXPECT_FALSE(asker->outbox.reader_must_wait());
  EXPECT_EQ(batch.skipped(), 250 - got);
  EXPECT_EQ(batch.gap_at, 0u);
}

TEST(Shard, CountsWhatAPageThatLeavesHasNotTakenOfItsHistory) {
  Shard room(lobby_id);
  say_much(room, 100);
  room.distribute();
  const auto page = client(Wire::page);
  room.add(page);
  room.resume(page, 1);
  room.remove(page, [page] { page->outbox.close("close"); });
  room.remove(page);
  const auto batch = page->outbox.take();
  ASSERT_EQ(batch.pieces.size(), 2u);
  EXPECT_EQ(*batch.pieces[1], "close");
  EXPECT_EQ(batch.gap_at, 1u);
  EXPECT_GT(batch.skipped(), 90u);
  EXPECT_TRUE(batch.closed());
}

// A client gets what is said from its coming on, though it begins to take it later.
TEST(Shard, ExpectsAClient) {
  Shard room(lobby_id);
  const auto guest = client(Wire::line);
  say(room, "before");
  room.distribute();
  guest->lobby.next = room.end();
  say(room, "meanwhile");
  room.distribute();
  room.add(guest);
  say(room, "after");
  room.distribute();
  EXPECT_EQ(lines_of(guest), "[name] meanwhile\n[name] after\n");
}

// What was said before it came may be on its way to this home still.
TEST(Shard, GivesAClientNothingOlderThanItsComing) {
  Shard room(lobby_id);
  const auto early = client(Wire::line), gone = client(Wire::line);
  early->lobby.next = gone->lobby.next = 3;
  room.add(early);
  room.add(gone);
  room.remove(gone);
  say(room, "1");
  say(room, "2");
  room.distribute();
  EXPECT_EQ(lines_of(early), "");
  say(room, "3");
  room.distribute();
  EXPECT_EQ(lines_of(early), "[name] 3\n");
  EXPECT_EQ(room.listening(), 1u);
}

TEST(Shard, GivesAClientThatLeavesWhatWasSaidBefore) {
  const auto leaving = client(Wire::line), other = client(Wire::line);
  Shard* shard = nullptr;
  Shard room(lobby_id, nullptr, {}, 1, [&](const MessagePtr&, const ClientPtr& sender) {
    if (sender == leaving) shard->remove(leaving);
  });
  shard = &room;
  room.add(leaving);
  say(room, "1", leaving);
  room.distribute_to(0);
  leaving->later.push_back({});  // as a client that waits for its message has
  say(room, "2", other);
  room.distribute();
  leaving->later.clear();
  EXPECT_EQ(lines_of(leaving), "[name] 1\n[name] 2\n");
  EXPECT_EQ(room.seated(), 0u);
}

TEST(Shard, GivesAnEarlyClientItsOwnMessageBeforeWhatWaitsForIt) {
  const auto early = client(Wire::line);
  early->lobby.next = 2;
  Shard room(lobby_id, nullptr, {}, 1, [](const MessagePtr&, const ClientPtr& sender) {
    if (sender) sender->outbox.push_reply("-- done\n");
  });
  room.add(early);
  say(room, "1");
  say(room, "2", early);
  room.distribute();
  EXPECT_EQ(lines_of(early), "[name] 2\n-- done\n");
}

TEST(Shard, SendsAsMuchHistoryAsAsked) {
  Shard room(lobby_id);
  const auto asker = client(Wire::line);
  room.add(asker);
  room.send_history(asker, 10);
  EXPECT_EQ(lines_of(asker), "-- nothing has been said yet\n");
  for (int i = 0; i < 3; ++i) say(room, std::to_string(i));
  room.distribute();
  EXPECT_EQ(lines_of(asker), "[name] 0\n[name] 1\n[name] 2\n");
  room.send_history(asker, 2);
  EXPECT_EQ(lines_of(asker), "[name] 1\n[name] 2\n");
  room.send_history(asker, SIZE_MAX);
  EXPECT_EQ(lines_of(asker), "[name] 0\n[name] 1\n[name] 2\n");
  say(room, "3");
  room.distribute();
  EXPECT_EQ(lines_of(asker), "[name] 3\n");
}

TEST(Shard, ChangesWhatItKeepsOfAnEditedMessage) {
  Shard room(lobby_id);
  const auto line = client(Wire::line), page = client(Wire::page);
  room.add(line);
  room.add(page);
  say(room, "helo");
  say(room, "other");
  Entry edit{.sequence = 3,
             .author = 1,
             .name = "name",
             .kind = Entry::Kind::edit,
             .target = 1,
             .text = "hello"};
  room.said(std::make_shared<const Message>(edit));
  Entry removal{
      .sequence = 4, .author = 1, .name = "name", .kind = Entry::Kind::removal, .target = 2};
  room.said(std::make_shared<const Message>(removal));
  room.distribute();
  EXPECT_EQ(lines_of(line), "[name] helo\n[name] other\n[name] hello (edited)\n");
  json entries;
  for (const json& event : events_of(page)) entries.push_back(event["entries"][0]);
  EXPECT_EQ(entries[2]["target"], 1);
  EXPECT_EQ(entries[2]["text"], "hello");
  EXPECT_EQ(entries[3]["target"], 2);
  EXPECT_EQ(entries[3]["removed"], true);
  room.send_newest(page, 4);
  const auto kept = events_of(page).at(0)["entries"];
  EXPECT_EQ(kept[0]["text"], "hello");
  EXPECT_EQ(kept[0]["edited"], true);
  EXPECT_EQ(kept[1]["removed"], true);
  EXPECT_FALSE(kept[1].contains("text"));
}

// What there was no memory for is asked for again, from the log; else it is a gap, never nothing.
TEST(Shard, SkipsWhatIsNotToBeHadAnyMore) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say(room, "1");
  room.jump(5);
  EXPECT_EQ(room.expects(), 5u);
  room.distribute();
  const auto batch = line->outbox.take();
  ASSERT_EQ(batch.gaps.size(), 1u);
  EXPECT_EQ(batch.gaps[0].from, 2u);
  EXPECT_EQ(batch.gaps[0].to, 4u);
  EXPECT_TRUE(room.history().empty());
  say(room, "5");
  room.distribute();
  EXPECT_EQ(lines_of(line), "[name] 5\n");
  EXPECT_EQ(room.end(), 6u);
}

}  // namespace
}  // namespace polyio::chat
