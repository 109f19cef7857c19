// Who is here, as pages get it.
#include <polyio/base/random.hpp>
#include <set>

#include "room_fixture.hpp"

namespace polyio::chat {
namespace {

TEST(People, ShowsJoinsAndLeavesToPagesOnly) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.came(7, name("alice"));
  room.tell_presence();
  room.renamed(7, name("bob"));
  room.tell_presence();
  room.went(7);
  room.tell_presence();
  EXPECT_EQ(lines_of(line), "");
  EXPECT_EQ(events_of(page), (std::vector<json>{{{"type", "join"}, {"id", 7}, {"name", "alice"}},
                                                {{"type", "rename"}, {"id", 7}, {"name", "bob"}},
                                                {{"type", "leave"}, {"id", 7}}}));
  EXPECT_EQ(room.present(), 0u);
}

TEST(People, TellsTogetherWhatHappenedSinceTheLastTime) {
  LineAndPage here;
  auto& [room, line, page] = here;
  room.came(7, name("alice"));
  room.came(8, name("eve"));
  room.renamed(7, name("bob"));
  room.went(8);
  room.tell_presence();
  EXPECT_EQ(events_of(page), (std::vector<json>{{{"type", "join"}, {"id", 7}, {"name", "bob"}}}));
  room.tell_presence();
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
        for (const json& one : event["people"]) ids.insert(one["id"].get<std::uint64_t>());
        total = event["total"];
      } else if (type == "join") {
        EXPECT_TRUE(ids.insert(event["id"].get<std::uint64_t>()).second);
        ++total;
      } else if (type == "leave") {
        EXPECT_EQ(ids.erase(event["id"].get<std::uint64_t>()), 1u);
        --total;
      } else if (type == "total") {
        total = event["total"];
      }
    }
  }
  std::set<std::uint64_t> ids;
  std::size_t total = 0;

 private:
  ClientPtr page_;
};

TEST(People, PagesKnowHowManyAreHereHoweverManyComeAndGo) {
  Room room;
  const auto page = client(0, Wire::websocket);
  room.add(page);
  Believer believer(page);
  std::set<std::uint64_t> here;
  std::uint64_t next = 1;
  Random random(7);
  for (int turn = 0; turn < 400; ++turn) {
    const bool grows = turn / 50 % 2 == 0;
    for (auto left = random.below(40); left > 0; --left) {
      if (grows || here.empty()) {
        here.insert(next);
        room.came(next++, name("somebody"));
      } else {
        const auto leaver = std::next(here.begin(), static_cast<long>(random.below(here.size())));
        room.went(*leaver);
        here.erase(leaver);
      }
    }
    room.tell_presence();
    believer.read();
    ASSERT_EQ(believer.total, here.size()) << turn;
    ASSERT_LE(believer.ids.size(), People::listed);
    ASSERT_GE(believer.ids.size(), std::min(here.size(), People::listed / 2));
    ASSERT_TRUE(std::ranges::includes(here, believer.ids));
  }
  EXPECT_GT(next, 3'000u);
}

TEST(People, AJoinCostsAPageTheSameInALargeRoom) {
  Room room;
  const auto page = client(0, Wire::websocket);
  room.add(page);
  for (std::uint64_t id = 1; id <= 2'000; ++id) room.came(id, name("n"));
  room.tell_presence();
  (void)page->outbox.take();
  room.came(5'000, name("n"));
  room.tell_presence();
  EXPECT_EQ(events_of(page), (std::vector<json>{{{"type", "total"}, {"total", 2'001}}}));
  EXPECT_GT(room.presence_pause(), Nanoseconds::zero());
}

TEST(People, TellsAPageItsOwnNameWhereNoNewsWill) {
  Room room;
  const auto page = client(5'000, Wire::websocket);
  for (std::uint64_t id = 1; id <= 600; ++id) room.came(id, name("n"));
  room.came(5'000, name("address"));
  room.add(page);
  room.tell_presence();
  (void)page->outbox.take();
  room.renamed(5'000, name("me"));
  room.tell_presence();
  room.confirm_name(page, name("me"));
  EXPECT_EQ(events_of(page),
            (std::vector<json>{{{"type", "rename"}, {"id", 5'000}, {"name", "me"}}}));
}

TEST(People, RenamesNoClientThatHasLeft) {
  Room room;
  room.renamed(9, name("ghost"));
  EXPECT_EQ(room.present(), 0u);
}

}  // namespace
}  // namespace polyio::chat
