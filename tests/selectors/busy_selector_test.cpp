// BusySelector: rounds, and the interval between them.
#include "kinds.hpp"

namespace polyio {
namespace {

std::vector<Pair> registered_pairs(Selector& selector, std::size_t count) {
  std::vector<Pair> pairs(count);
  for (const Pair& pair : pairs) EXPECT_TRUE(selector.register_fd(pair.fd(), event_read));
  return pairs;
}

// How often this thread went to sleep of its own accord.
long sleeps() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST(BusySelector, TellsExactlyWhatWasAskedReadyOrNot) {
  BusySelector selector;
  Pair pair;
  for (Events events : {event_read, event_write, both}) {
    ASSERT_TRUE(selector.register_fd(pair.fd(), events, 3));
    auto told = selector.select().value();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].key, (SelectorKey{pair.fd(), events, 3}));
    EXPECT_EQ(told[0].mask, events);
    ASSERT_TRUE(selector.unregister(pair.fd()));
  }
}

// Polling burns its core: no round ever sleeps, however long it may wait.
TEST(BusySelector, WithoutAnIntervalItNeverSleeps) {
  BusySelector selector;
  const auto pairs = registered_pairs(selector, 3);
  const long before = sleeps();
  for (int round = 0; round < 10'000; ++round) ASSERT_EQ(selector.select(1h).value().size(), 3u);
  EXPECT_EQ(sleeps(), before);
}

TEST(BusySelector, RoundsAreAnIntervalApart) {
  constexpr auto interval = 2ms;
  BusySelector selector(interval);
  const auto pairs = registered_pairs(selector, 3);
  const long before = sleeps();
  const auto start = monotonic_now();
  for (int round = 0; round <= 10; ++round) {
    EXPECT_EQ(selector.select().value().size(), 3u);
    EXPECT_GE(monotonic_now() - start, round * interval) << round;
  }
  EXPECT_GT(sleeps(), before);
}

TEST(BusySelector, TheTimeoutCutsTheInterval) {
  BusySelector selector(1h);
  const auto pairs = registered_pairs(selector, 3);
  EXPECT_EQ(selector.select().value().size(), 3u);  // the first round begins at once
  for (Nanoseconds timeout : {Nanoseconds(5ms), Nanoseconds(0), Nanoseconds(-1h)}) {
    const auto start = monotonic_now();
    EXPECT_EQ(selector.select(timeout).value().size(), 0u);
    EXPECT_GE(monotonic_now() - start, timeout);
  }
}

TEST(BusySelector, ARoundOfManyBatchesSleepsOnce) {
  BusySelector selector(1h);
  const auto pairs = registered_pairs(selector, 10);
  std::array<SelectorEvent, 4> events;
  std::vector<int> told;
  for (std::size_t want : {4u, 4u, 2u, 0u}) {
    auto count = selector.select(events, no_wait);
    ASSERT_EQ(count.value(), want);
    for (const SelectorEvent& event : std::span(events).first(want)) told.push_back(event.key.fd);
  }
  std::ranges::sort(told);
  EXPECT_EQ(std::ranges::adjacent_find(told), told.end());
  EXPECT_EQ(told.size(), pairs.size());
}

TEST(BusySelector, ASignalEndsTheIntervalsSleep) {
  BusySelector selector(1h);
  const auto pairs = registered_pairs(selector, 1);
  EXPECT_EQ(selector.select().value().size(), 1u);
  const Alarms repeat;
  for (Timeout timeout : {Timeout(), Timeout(1h)}) {
    EXPECT_EQ(selector.select(timeout).value().size(), 0u);  // an EINTR swallowed would hang here
  }
}

TEST(BusySelector, AClosedFdIsNotToldAndTheOthersAre) {
  BusySelector selector;
  auto pairs = registered_pairs(selector, 5);
  const int first = pairs[0].fd(), last = pairs[4].fd();
  pairs[0].near.reset();
  pairs[4].near.reset();
  for (int round = 0; round < 2; ++round) EXPECT_EQ(selector.select().value().size(), 3u);
  EXPECT_EQ(selector.size(), 5u);
  EXPECT_TRUE(selector.unregister(first));
  EXPECT_TRUE(selector.unregister(last));
  EXPECT_EQ(selector.select().value().size(), 3u);
}

}  // namespace
}  // namespace polyio
