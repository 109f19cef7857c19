// A room waits for its clients that read, and senders for their rooms.
#include "shard_fixture.hpp"

namespace polyio::chat {
namespace {

TEST(Pressure, WaitsForAClientThatReads) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say_much(room, 2 * full);
  std::size_t lines = 0, events = 0, skipped = 0;
  for (int i = 0; i < 100 && room.undistributed(); ++i) {
    room.distribute(TimePoint(std::chrono::milliseconds(i)));
    const auto batch = line->outbox.take();
    for (const Piece& part : batch.pieces) lines += std::ranges::count(*part, '\n');
    skipped += batch.skipped();
    events += texts_of(events_of(page)).size();
  }
  EXPECT_FALSE(room.undistributed());
  EXPECT_EQ(lines, 2u * full);
  EXPECT_EQ(events, 2u * full);
  EXPECT_EQ(skipped, 0u);
}

TEST(Pressure, GoesOnWithoutAClientThatDoesNotRead) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say_much(room, 2 * full);
  TimePoint now{};
  int calls = 0;
  for (; room.undistributed() && calls < 100; ++calls) {
    now += Outbox::patience / 8;
    room.distribute(now);
    (void)page->outbox.take();
  }
  EXPECT_GE(calls, 8) << "not before it has had its time";
  EXPECT_LE(calls, 12);
  EXPECT_GT(line->outbox.take().skipped(), 0u);
}

// Such as a process that was stopped, or a machine that was asleep.
TEST(Pressure, BlamesNoClientForWhatHeldUpEverybody) {
  LineAndPage here;
  auto& [present, room, line, page] = here;
  say_much(room, 2 * full);
  room.distribute(TimePoint(std::chrono::seconds(1)));
  EXPECT_TRUE(room.held());
  room.distribute(TimePoint(std::chrono::seconds(3600)));
  EXPECT_TRUE(room.held());
  (void)page->outbox.take();
  EXPECT_EQ(line->outbox.take().skipped(), 0u);
}

}  // namespace
}  // namespace polyio::chat
