// Who is here, as pages get it.
#include <polyio/base/random.hpp>
#include <set>

#include "shard_fixture.hpp"

namespace polyio::chat {
namespace {

TEST(People, ShowsJoinsAndLeavesToPagesOnly) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  present.came(room, 7, "alice");
  room.tell_presence(present.census());
  present.renamed(room, 7, "bob");
  room.tell_presence(present.census());
  present.went(room, 7);
  room.tell_presence(present.census());
  EXPECT_EQ(lines_of(line), "");
  EXPECT_EQ(events_of(page),
            (std::vector<json>{{{"type", "join"}, {"room", 1}, {"id", 7}, {"name", "alice"}},
                               {{"type", "rename"}, {"room", 1}, {"id", 7}, {"name", "bob"}},
                               {{"type", "leave"}, {"room", 1}, {"id", 7}}}));
}

TEST(People, TellsTogetherWhatHappenedSinceTheLastTime) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  present.came(room, 7, "alice");
  present.came(room, 8, "eve");
  present.renamed(room, 7, "bob");
  present.went(room, 8);
  room.tell_presence(present.census());
  EXPECT_EQ(events_of(page),
            (std::vector<json>{{{"type", "join"}, {"room", 1}, {"id", 7}, {"name", "bob"}}}));
  room.tell_presence(present.census());
  EXPECT_TRUE(events_of(page).empty());
}

// What a page makes of the events.
class Believer {
 public:
  explicit Believer(ClientPtr page) : page_(std::move(page)) {}
  void read() {
    for (const json& event : events_of(page_)) {
      const std::string type = event["type"];
      if (type == "who") {
        ids.clear();
        for (const json& one : event["people"]) ids.insert(one["id"].get<PersonId>());
        total = event["total"];
      } else if (type == "join") {
        EXPECT_TRUE(ids.insert(event["id"].get<PersonId>()).second);
        ++total;
      } else if (type == "leave") {
        EXPECT_EQ(ids.erase(event["id"].get<PersonId>()), 1u);
        --total;
      } else if (type == "total") {
        total = event["total"];
      }
    }
  }
  std::set<PersonId> ids;
  std::size_t total = 0;

 private:
  ClientPtr page_;
};

TEST(People, PagesKnowHowManyAreHereHoweverManyComeAndGo) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  Believer believer(page);
  std::set<PersonId> ids;
  PersonId next = 1;
  Random random(7);
  for (int turn = 0; turn < 400; ++turn) {
    const bool grows = turn / 50 % 2 == 0;
    for (auto left = random.below(40); left > 0; --left) {
      if (grows || ids.empty()) {
        ids.insert(next);
        present.came(room, next++, "somebody");
      } else {
        const auto leaver = std::next(ids.begin(), static_cast<long>(random.below(ids.size())));
        present.went(room, *leaver);
        ids.erase(leaver);
      }
    }
    room.tell_presence(present.census());
    believer.read();
    ASSERT_EQ(believer.total, ids.size()) << turn;
    ASSERT_LE(believer.ids.size(), People::listed);
    ASSERT_GE(believer.ids.size(), std::min(ids.size(), People::listed / 2));
    ASSERT_TRUE(std::ranges::includes(ids, believer.ids));
  }
  EXPECT_GT(next, 3'000);
}

TEST(People, AJoinCostsAPageTheSameInALargeRoom) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  for (PersonId id = 1; id <= 2'000; ++id) present.came(room, id, "n");
  room.tell_presence(present.census());
  (void)page->outbox.take();
  present.came(room, 5'000, "n");
  room.tell_presence(present.census());
  EXPECT_EQ(events_of(page),
            (std::vector<json>{{{"type", "total"}, {"room", 1}, {"total", 2'001}}}));
  EXPECT_GT(room.presence_pause(), Nanoseconds::zero());
}

// The list may have a person already whose coming is news that is still on its way here, and may
// lack one whose going is.
TEST(People, TakeNewsThatTheListHasAlready) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  room.unwatch(page);
  present.people[7] = name("alice");
  room.watch(page, present.census());
  EXPECT_EQ(events_of(page).at(0)["people"].size(), 1u);
  room.came(7, present.people[7]);
  room.went(9);
  room.tell_presence(present.census());
  EXPECT_TRUE(events_of(page).empty());
}

TEST(People, AreListedForThePagesThatWatchOnly) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  const auto other = client(Wire::page);
  room.add(other);
  present.came(room, 7, "alice");
  room.tell_presence(present.census());
  EXPECT_EQ(events_of(page).size(), 1u);
  EXPECT_TRUE(events_of(other).empty());
  room.unwatch(page);
  present.came(room, 8, "bob");
  EXPECT_FALSE(room.presence_changed());
  for (PersonId id = 10; id < 610; ++id) present.people[id] = name("n");
  room.watch(other, present.census());
  const json who = events_of(other).at(0);
  EXPECT_EQ(who["people"].size(), People::listed);
  EXPECT_EQ(who["total"], 602);
}

TEST(People, ListedAnewAfterNewsWasLost) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  present.people[7] = name("alice");
  room.list_anew(present.census());
  EXPECT_TRUE(page->outbox.take().presence_lost());
  room.send_people(page);
  EXPECT_EQ(events_of(page).at(0)["people"].size(), 1u);
}

}  // namespace
}  // namespace polyio::chat
