// Descriptors closed or used again behind the selector's back.
#include <sys/epoll.h>

#include "kinds.hpp"

namespace polyio {
namespace {

class ClosedFdTest : public SelectorTest {};
INSTANTIATE_TEST_SUITE_P(Every, ClosedFdTest, testing::ValuesIn(kinds()), kind_name);

std::chrono::nanoseconds cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Waits without events to come: the wait must be a wait. A spinning one ends early or burns its
// CPU.
void expect_quiet(Selector& selector) {
  const auto start = monotonic_now();
  const auto cpu_start = cpu_time();
  auto events = selector.select(100ms);
  const auto cpu = cpu_time() - cpu_start;
  ASSERT_TRUE(events) << events.error().message();
  EXPECT_EQ(events->size(), 0u);
  EXPECT_GE(monotonic_now() - start, 100ms);
  EXPECT_LT(cpu, 50ms);
}

TEST_P(ClosedFdTest, IsSilentAndTheOthersGoOn) {
  POLYIO_SKIP_HINTS();
  Pair closed, closed_too, alive;
  const int fd = closed.fd();
  ASSERT_TRUE(selector->register_fd(fd, both, 1));
  ASSERT_TRUE(selector->register_fd(alive.fd(), event_read, 2));
  ASSERT_TRUE(selector->register_fd(closed_too.fd(), event_read, 3));
  closed.near.reset();
  const int fd_too = closed_too.near.get();
  closed_too.near.reset();
  expect_quiet(*selector);
  alive.send();
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, (SelectorKey{alive.fd(), event_read, 2}));
  EXPECT_EQ(selector->unregister(fd).value(), (SelectorKey{fd, both, 1}));
  EXPECT_EQ(selector->unregister(fd_too).value(), (SelectorKey{fd_too, event_read, 3}));
  alive.receive();
  expect_quiet(*selector);
}

TEST_P(ClosedFdTest, EventsOfTheOthersComeInTheSameCall) {
  Pair closed, alive;
  alive.send();
  ASSERT_TRUE(selector->register_fd(closed.fd(), event_read));
  ASSERT_TRUE(selector->register_fd(alive.fd(), event_read));
  closed.near.reset();
  EXPECT_EQ(told(alive.fd()), event_read);
}

TEST_P(ClosedFdTest, LastOneClosed) {
  Pair closed;
  ASSERT_TRUE(selector->register_fd(closed.fd(), event_read));
  closed.near.reset();
  expect_quiet(*selector);
  expect_quiet(*selector);
  EXPECT_EQ(selector->size(), 1u);
}

TEST_P(ClosedFdTest, UnregisterBeforeAnyoneNoticed) {
  Pair closed;
  const int fd = closed.fd();
  ASSERT_TRUE(selector->register_fd(fd, event_read, 3));
  closed.near.reset();
  EXPECT_EQ(selector->unregister(fd).value(), (SelectorKey{fd, event_read, 3}));
  EXPECT_EQ(selector->size(), 0u);
  expect_quiet(*selector);
}

TEST_P(ClosedFdTest, ModifyFailsAndChangesNothing) {
  Pair closed;
  const int fd = closed.fd();
  ASSERT_TRUE(selector->register_fd(fd, event_read, 3));
  closed.near.reset();
  EXPECT_TRUE(fails_with(selector->modify(fd, event_write, 4), EBADF));
  EXPECT_EQ(told(fd), 0u);  // select and poll notice here
  EXPECT_TRUE(fails_with(selector->modify(fd, event_write, 4), EBADF));
  EXPECT_EQ(selector->get_key(fd).value(), (SelectorKey{fd, event_read, 3}));
}

// Puts another socket at the number of `pair`'s; returns the number.
int replace(Pair& pair, Pair& by) {
  const int fd = pair.near.release();
  ::close(fd);
  EXPECT_EQ(::dup3(by.fd(), fd, O_CLOEXEC), fd);
  by.near.reset(fd);
  return fd;
}

TEST_P(ClosedFdTest, ReusedNumberRegisteredAnew) {
  Pair old, fresh;
  ASSERT_TRUE(selector->register_fd(old.fd(), event_read, 1));
  const int fd = replace(old, fresh);
  EXPECT_TRUE(fails_with(selector->register_fd(fd, event_read, 2), EEXIST));
  ASSERT_TRUE(selector->unregister(fd));
  ASSERT_TRUE(selector->register_fd(fd, event_read, 2));
  EXPECT_EQ(told(fd), idle(event_read));
  fresh.send();
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, (SelectorKey{fd, event_read, 2}));
}

TEST_P(ClosedFdTest, ReusedNumberTakenOverByModify) {
  for (bool noticed : {false, true}) {
    Pair old, fresh;
    ASSERT_TRUE(selector->register_fd(old.fd(), event_read, 1));
    if (noticed) {
      const int number = old.near.release();
      ::close(number);
      EXPECT_EQ(told(number), 0u);
      ASSERT_EQ(::dup3(fresh.fd(), number, O_CLOEXEC), number);
      fresh.near.reset(number);
    } else {
      replace(old, fresh);
    }
    ASSERT_TRUE(selector->modify(fresh.fd(), event_read, 2));
    EXPECT_EQ(told(fresh.fd()), idle(event_read));
    fresh.send();
    EXPECT_EQ(told(fresh.fd()), event_read);
    ASSERT_TRUE(selector->unregister(fresh.fd()));
  }
}

// The kernel keeps an epoll registration as long as the open file, not the descriptor, lives.
TEST_P(ClosedFdTest, DuplicateKeepsTheFileOpen) {
  POLYIO_SKIP_HINTS();
  Pair pair, alive;
  const int fd = pair.fd();
  ASSERT_TRUE(selector->register_fd(fd, event_read, 1));
  ASSERT_TRUE(selector->register_fd(alive.fd(), event_read, 2));
  os::UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  pair.near.reset();
  ASSERT_TRUE(selector->unregister(fd));
  pair.send();
  expect_quiet(*selector);
  alive.send();
  pair.send();
  EXPECT_EQ(told(alive.fd()), event_read);
}

TEST_P(ClosedFdTest, DuplicatesEventIsNotToldUnderTheReusedNumber) {
  POLYIO_SKIP_HINTS();
  Pair old, fresh;
  const int fd = old.fd();
  ASSERT_TRUE(selector->register_fd(fd, event_read, 1));
  os::UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  replace(old, fresh);
  ASSERT_TRUE(selector->unregister(fd));
  ASSERT_TRUE(selector->register_fd(fd, event_read, 2));
  old.send();
  expect_quiet(*selector);
  // Both at once: the old one's event is left out of the batch.
  fresh.send();
  old.send();
  auto events = selector->select(no_wait).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key.data, 2u);
}

// With the stale event in front of, between and behind good ones in one batch.
TEST_P(ClosedFdTest, StaleEventsAreTakenOutOfABatch) {
  std::array<Pair, 7> pairs;
  std::vector<os::UniqueFd> duplicates;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ASSERT_TRUE(selector->register_fd(pairs[i].fd(), event_read, i));
    pairs[i].send();
  }
  for (std::size_t i = 0; i < pairs.size(); i += 3) {
    const int fd = pairs[i].fd();
    duplicates.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    pairs[i].near.reset();
    ASSERT_TRUE(selector->unregister(fd));
  }
  std::array<SelectorEvent, 10> events;
  auto count = selector->select(events, no_wait);
  ASSERT_TRUE(count);
  std::vector<std::uint64_t> told;
  for (const SelectorEvent& event : std::span(events).first(*count)) told.push_back(event.key.data);
  std::ranges::sort(told);
  EXPECT_EQ(told, (std::vector<std::uint64_t>{1, 2, 4, 5}));
}

}  // namespace
}  // namespace polyio
