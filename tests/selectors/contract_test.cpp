// Registration, keys and readiness: what Python's test_selectors checks, on every selector.
#include <climits>

#include "kinds.hpp"

namespace polyio {
namespace {

INSTANTIATE_TEST_SUITE_P(Every, SelectorTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(SelectorTest, BitsAndNamesArePythons) {
  EXPECT_EQ(event_read, 1u);
  EXPECT_EQ(event_write, 2u);
  EXPECT_EQ(selector->name(), GetParam().name);
}

TEST_P(SelectorTest, RegisterReturnsTheKey) {
  Pair pair;
  auto key = selector->register_fd(pair.fd(), event_read, 42);
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (SelectorKey{pair.fd(), event_read, 42}));
  EXPECT_EQ(selector->get_key(pair.fd()).value(), *key);
  EXPECT_EQ(selector->size(), 1u);
}

TEST_P(SelectorTest, RegisteredTwiceIsRefusedAndChangesNothing) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 1));
  EXPECT_TRUE(fails_with(selector->register_fd(pair.fd(), event_write, 2), EEXIST));
  EXPECT_EQ(selector->get_key(pair.fd()).value(), (SelectorKey{pair.fd(), event_read, 1}));
  EXPECT_EQ(selector->size(), 1u);
}

TEST_P(SelectorTest, UnknownFd) {
  Pair pair;
  for (int fd : {pair.fd(), 100'000'000, -1}) {
    EXPECT_TRUE(fails_with(selector->unregister(fd), ENOENT)) << fd;
    EXPECT_TRUE(fails_with(selector->modify(fd, event_read, 0), ENOENT)) << fd;
    EXPECT_TRUE(fails_with(selector->get_key(fd), ENOENT)) << fd;
  }
}

TEST_P(SelectorTest, EventsMustBeReadOrWriteOrBoth) {
  Pair pair;
  const std::vector<Events> wrong = {0, 4, event_read | event_hang_up, event_error,
                                     256 | event_read};
  for (Events events : wrong) {
    EXPECT_TRUE(fails_with(selector->register_fd(pair.fd(), events), EINVAL)) << events;
  }
  ASSERT_TRUE(selector->register_fd(pair.fd(), both, 7));
  for (Events events : wrong) {
    EXPECT_TRUE(fails_with(selector->modify(pair.fd(), events, 8), EINVAL)) << events;
  }
  EXPECT_EQ(selector->get_key(pair.fd()).value(), (SelectorKey{pair.fd(), both, 7}));
}

TEST_P(SelectorTest, BadFd) {
  Pair pair;
  const int closed = pair.fd();
  pair.near.reset();
  for (int fd : {-1, -1000, closed, 100'000'000, INT_MAX}) {
    EXPECT_TRUE(fails_with(selector->register_fd(fd, event_read), EBADF)) << fd;
  }
  EXPECT_EQ(selector->size(), 0u);
  // Also once the table reaches that far.
  os::UniqueFd higher(::fcntl(pair.far.get(), F_DUPFD_CLOEXEC, closed + 1));
  ASSERT_TRUE(selector->register_fd(higher.get(), event_read));
  EXPECT_TRUE(fails_with(selector->register_fd(closed, event_read), EBADF));
  EXPECT_EQ(selector->size(), 1u);
}

TEST_P(SelectorTest, UnregisterReturnsTheKeyAndEndsTheEvents) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 9));
  auto key = selector->unregister(pair.fd());
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (SelectorKey{pair.fd(), event_read, 9}));
  EXPECT_EQ(told(pair.fd()), 0u);
  EXPECT_TRUE(fails_with(selector->unregister(pair.fd()), ENOENT));
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 10));
  EXPECT_EQ(told(pair.fd()), event_read);
}

TEST_P(SelectorTest, ReadAndWrite) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  EXPECT_EQ(told(pair.fd()), idle(event_read));
  pair.send();
  EXPECT_EQ(told(pair.fd()), event_read);
  ASSERT_TRUE(selector->modify(pair.fd(), event_write, 0));
  EXPECT_EQ(told(pair.fd()), event_write);
}

TEST_P(SelectorTest, BothDirectionsAreOneEvent) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), both, 5));
  std::array<SelectorEvent, 8> events;  // select(2) counts two; there is room to tell it twice
  EXPECT_EQ(selector->select(events).value(), 1u);
  EXPECT_EQ(events[0].key, (SelectorKey{pair.fd(), both, 5}));
  EXPECT_EQ(events[0].mask, both);
}

TEST_P(SelectorTest, ModifyChangesEventsAndData) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_write, 1));
  auto key = selector->modify(pair.fd(), event_read, 2);
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (SelectorKey{pair.fd(), event_read, 2}));
  EXPECT_EQ(selector->get_key(pair.fd()).value(), *key);
  auto events = selector->select(no_wait).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, *key);
  EXPECT_EQ(events[0].mask, event_read);
  EXPECT_EQ(selector->size(), 1u);
}

TEST_P(SelectorTest, GetMapIsEveryKeyByFd) {
  EXPECT_TRUE(selector->get_map().value().empty());
  std::array<Pair, 3> pairs;
  std::vector<SelectorKey> expected;
  for (std::size_t i = pairs.size(); i-- > 0;) {
    const SelectorKey key{pairs[i].fd(), i == 1 ? both : event_read, 100 + i};
    ASSERT_TRUE(selector->register_fd(key.fd, key.events, key.data));
    expected.push_back(key);
  }
  std::ranges::sort(expected, {}, &SelectorKey::fd);
  EXPECT_EQ(selector->get_map().value(), expected);
  ASSERT_TRUE(selector->unregister(expected[0].fd));
  expected.erase(expected.begin());
  EXPECT_EQ(selector->get_map().value(), expected);
}

TEST_P(SelectorTest, OnlyTheReadyAreTold) {
  POLYIO_SKIP_HINTS();
  std::array<Pair, 20> pairs;
  for (auto& pair : pairs) {
    ASSERT_TRUE(
        selector->register_fd(pair.fd(), event_read, static_cast<std::uint64_t>(pair.fd())));
  }
  // Gaps: what poll moves about must still be found.
  for (std::size_t i = 0; i < pairs.size(); i += 3) {
    ASSERT_TRUE(selector->unregister(pairs[i].fd()));
  }
  std::vector<int> expected, told;
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    pairs[i].send();
    if (i % 3 != 0) expected.push_back(pairs[i].fd());
  }
  const auto events = selector->select().value();
  for (const SelectorEvent& event : events) {
    EXPECT_EQ(event.key.data, static_cast<std::uint64_t>(event.key.fd));
    EXPECT_EQ(event.mask, event_read);
    told.push_back(event.key.fd);
  }
  std::ranges::sort(expected);
  std::ranges::sort(told);
  EXPECT_EQ(told, expected);
}

TEST_P(SelectorTest, ASmallArrayStarvesNoOne) {
  std::array<Pair, 10> pairs;
  std::vector<int> expected;
  for (auto& pair : pairs) {
    pair.send();
    ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
    expected.push_back(pair.fd());
  }
  std::array<SelectorEvent, 4> events;
  std::vector<int> told;
  for (std::size_t want : {4u, 4u, edge() || hints() ? 2u : 4u}) {
    auto count = selector->select(events, no_wait);
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, want);
    for (const SelectorEvent& event : std::span(events).first(*count)) told.push_back(event.key.fd);
  }
  std::ranges::sort(told);
  told.erase(std::unique(told.begin(), told.end()), told.end());
  std::ranges::sort(expected);
  EXPECT_EQ(told, expected);
}

TEST_P(SelectorTest, AnEmptyArrayIsRefused) {
  EXPECT_TRUE(fails_with(selector->select(std::span<SelectorEvent>(), no_wait), EINVAL));
}

TEST_P(SelectorTest, HangUpIsReadAndWrite) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), both));
  pair.far.reset();
  EXPECT_EQ(told(pair.fd()), both | if_told(event_hang_up));
}

TEST_P(SelectorTest, HangUpTellsOnlyWhatWasAskedFor) {
  PipeEnds pipe;
  ASSERT_TRUE(selector->register_fd(pipe.read.get(), event_read));
  pipe.write.reset();  // the kernel says POLLHUP without POLLIN
  EXPECT_EQ(told(pipe.read.get()), event_read | if_told(event_hang_up));
}

TEST_P(SelectorTest, HangUpWithWriteAlone) {
  PipeEnds pipe;
  ASSERT_TRUE(selector->register_fd(pipe.read.get(), event_write));
  pipe.write.reset();
  EXPECT_EQ(told(pipe.read.get()), GetParam().hang_up_is_writable
                                       ? event_write | if_told(event_hang_up)
                                       : idle(event_write));
}

TEST_P(SelectorTest, ErrorTellsTheWriter) {
  PipeEnds pipe;
  pipe.fill();
  ASSERT_TRUE(selector->register_fd(pipe.write.get(), event_write));
  EXPECT_EQ(told(pipe.write.get()), idle(event_write));
  pipe.read.reset();  // POLLERR: the next write gets EPIPE
  EXPECT_EQ(told(pipe.write.get()) & ~event_hang_up, event_write | if_told(event_error));
}

TEST_P(SelectorTest, EveryCallAfterCloseFails) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  selector->close();
  selector->close();
  std::array<SelectorEvent, 1> events;
  EXPECT_TRUE(fails_with(selector->select(no_wait), EBADF));
  EXPECT_TRUE(fails_with(selector->select(events, no_wait), EBADF));
  EXPECT_TRUE(fails_with(selector->register_fd(pair.fd(), event_read), EBADF));
  EXPECT_TRUE(fails_with(selector->modify(pair.fd(), event_read, 0), EBADF));
  EXPECT_TRUE(fails_with(selector->unregister(pair.fd()), EBADF));
  EXPECT_TRUE(fails_with(selector->get_key(pair.fd()), EBADF));
  EXPECT_TRUE(fails_with(selector->get_map(), EBADF));
  EXPECT_EQ(selector->size(), 0u);
  EXPECT_GE(::fcntl(pair.fd(), F_GETFD), 0) << "the registered fd stays open";
}

TEST_P(SelectorTest, FdsFrom1024On) {
  if (!allow_descriptors(2000)) GTEST_SKIP() << "RLIMIT_NOFILE too low";
  Pair pair;
  pair.send();
  os::UniqueFd high(::fcntl(pair.fd(), F_DUPFD_CLOEXEC, 1024));
  os::UniqueFd last(::fcntl(pair.fd(), F_DUPFD_CLOEXEC, 1023));
  ASSERT_GE(high.get(), 1024);
  ASSERT_EQ(last.get(), 1023);
  auto key = selector->register_fd(high.get(), event_read);
  if (GetParam().below_1024) {
    EXPECT_TRUE(fails_with(key, EOVERFLOW));
    EXPECT_TRUE(fails_with(selector->get_key(high.get()), ENOENT));
  } else {
    ASSERT_TRUE(key);
    EXPECT_EQ(told(high.get()), event_read);
    ASSERT_TRUE(selector->unregister(high.get()));
  }
  ASSERT_TRUE(selector->register_fd(last.get(), event_read));
  EXPECT_EQ(told(last.get()), event_read);
}

TEST_P(SelectorTest, FiveThousand) {
  if (GetParam().below_1024) GTEST_SKIP() << "select(2) ends at 1024";
  constexpr std::size_t many = 5000;
  if (!allow_descriptors(2 * many + 200)) GTEST_SKIP() << "RLIMIT_NOFILE too low";
  std::vector<Pair> pairs(many);
  for (std::size_t i = 0; i < many; ++i) {
    ASSERT_TRUE(selector->register_fd(pairs[i].fd(), event_read, i));
  }
  EXPECT_EQ(selector->select(no_wait).value().size(), hints() ? many : 0u);
  for (Pair& pair : pairs) pair.send();
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), many);
  std::vector<bool> seen(many);
  for (const SelectorEvent& event : events) {
    EXPECT_EQ(event.key.fd, pairs[event.key.data].fd());
    seen[event.key.data] = true;
  }
  EXPECT_EQ(std::ranges::count(seen, true), static_cast<std::ptrdiff_t>(many));
  for (const Pair& pair : pairs) ASSERT_TRUE(selector->unregister(pair.fd()));
  EXPECT_EQ(selector->select(no_wait).value().size(), 0u);
}

TEST_P(SelectorTest, RegularFiles) {
  os::UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  auto key = selector->register_fd(file.get(), event_read);
  if (GetParam().takes_files) {
    EXPECT_EQ(told(file.get()), event_read);
  } else {
    EXPECT_TRUE(fails_with(key, EPERM));
    EXPECT_EQ(selector->size(), 0u);
  }
}

TEST_P(SelectorTest, AStandingConditionIsToldEachTimeOrOnce) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  const Events again = edge() ? 0u : event_read;
  EXPECT_EQ(told(pair.fd()), event_read);
  EXPECT_EQ(told(pair.fd()), again);
  pair.send();  // a new edge, the old byte unread
  EXPECT_EQ(told(pair.fd()), event_read);
  EXPECT_EQ(told(pair.fd()), again);
  ASSERT_TRUE(selector->modify(pair.fd(), event_read, 0));  // asks again
  EXPECT_EQ(told(pair.fd()), event_read);
  EXPECT_EQ(told(pair.fd()), again);
  pair.receive();
  pair.receive();
  EXPECT_EQ(told(pair.fd()), idle(event_read));
}

TEST(DefaultSelector, IsEpollHere) { EXPECT_STREQ(default_selector()->name(), "epoll"); }

}  // namespace
}  // namespace polyio
