// The emulations of kqueue(2) and /dev/poll keep the rules that their manuals state; the selectors
// above them are tested by the other files here.
#include <sys/event.h>
#include <selectors/devpoll_calls.hpp>

#include "kinds.hpp"

namespace polyio {
namespace {

constexpr std::timespec at_once{};

struct Kqueue {
  os::UniqueFd queue{::kqueue()};

  // 0 or the errno value of the change.
  int change(int fd, std::int16_t filter, int flags) const {
    struct kevent change;
    EV_SET(&change, static_cast<std::uintptr_t>(fd), filter, static_cast<std::uint16_t>(flags), 0,
           0, nullptr);
    return ::kevent(queue.get(), &change, 1, nullptr, 0, nullptr) == 0 ? 0 : errno;
  }
  std::vector<struct kevent> events() const {
    std::vector<struct kevent> all(16);
    const int count = ::kevent(queue.get(), nullptr, 0, all.data(), 16, &at_once);
    EXPECT_GE(count, 0);
    all.resize(static_cast<std::size_t>(count));
    return all;
  }
};

TEST(KqueueRules, AnEntryIsOfOneDescriptorAndOneFilter) {
  const Kqueue queue;
  Pair pair;
  pair.send();
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ADD), 0);
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ADD), 0);  // the same one, changed
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_WRITE, EV_ADD), 0);
  EXPECT_EQ(queue.events().size(), 2u);
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_WRITE, EV_DELETE), 0);
  const auto left = queue.events();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].filter, EVFILT_READ);
  EXPECT_EQ(queue.change(pair.fd(), EVFILT_WRITE, EV_DELETE), ENOENT);
  EXPECT_EQ(queue.change(pair.fd(), 17, EV_ADD), EINVAL);
  EXPECT_EQ(queue.change(-1, EVFILT_READ, EV_ADD), EBADF);
}

TEST(KqueueRules, WithClearAnEventIsReportedOnce) {
  const Kqueue level, edge;
  Pair pair;
  pair.send();
  ASSERT_EQ(level.change(pair.fd(), EVFILT_READ, EV_ADD), 0);
  ASSERT_EQ(edge.change(pair.fd(), EVFILT_READ, EV_ADD | EV_CLEAR), 0);
  EXPECT_EQ(level.events().size(), 1u);
  EXPECT_EQ(level.events().size(), 1u);
  EXPECT_EQ(edge.events().size(), 1u);
  EXPECT_EQ(edge.events().size(), 0u);
  pair.send();
  EXPECT_EQ(edge.events().size(), 1u);
  EXPECT_EQ(edge.events().size(), 0u);
}

TEST(KqueueRules, TheEndIsSeenWithDataLeft) {
  const Kqueue queue;
  Pair pair;
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ADD), 0);
  pair.send();
  ::shutdown(pair.far.get(), SHUT_WR);
  auto events = queue.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_NE(events[0].flags & EV_EOF, 0);
  EXPECT_EQ(events[0].data, 1);
  pair.receive();
  events = queue.events();
  ASSERT_EQ(events.size(), 1u) << "the end stays";
  EXPECT_NE(events[0].flags & EV_EOF, 0);
  EXPECT_EQ(events[0].data, 0);
}

TEST(KqueueRules, AClosedDescriptorIsForgotten) {
  const Kqueue queue;
  Pair pair, next;
  pair.send();
  const int fd = pair.fd();
  ASSERT_EQ(queue.change(fd, EVFILT_READ, EV_ADD), 0);
  const os::UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, 0));  // the file stays open
  pair.near.reset();
  EXPECT_EQ(queue.events().size(), 0u);
  ASSERT_EQ(::dup3(next.fd(), fd, O_CLOEXEC), fd);
  pair.near.reset(fd);
  next.send();
  EXPECT_EQ(queue.events().size(), 0u) << "of the new file nothing was asked";
  EXPECT_EQ(queue.change(fd, EVFILT_READ, EV_DELETE), ENOENT);
}

TEST(KqueueRules, DisabledIsKeptAndOneShotIsNot) {
  const Kqueue queue;
  Pair pair;
  pair.send();
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ADD | EV_DISABLE), 0);
  EXPECT_EQ(queue.events().size(), 0u);
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue.events().size(), 1u);
  ASSERT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_ADD | EV_ONESHOT), 0);
  EXPECT_EQ(queue.events().size(), 1u);
  EXPECT_EQ(queue.change(pair.fd(), EVFILT_READ, EV_DELETE), ENOENT);
}

TEST(KqueueRules, ReceiptsAnswerEachChangeAndEventsWait) {
  const Kqueue queue;
  Pair pair;
  pair.send();
  std::array<struct kevent, 2> both_ways;
  EV_SET(&both_ways[0], static_cast<std::uintptr_t>(pair.fd()), EVFILT_READ, EV_ADD | EV_RECEIPT, 0,
         0, nullptr);
  EV_SET(&both_ways[1], static_cast<std::uintptr_t>(pair.fd()), EVFILT_WRITE,
         EV_DELETE | EV_RECEIPT, 0, 0, nullptr);
  ASSERT_EQ(::kevent(queue.queue.get(), both_ways.data(), 2, both_ways.data(), 2, nullptr), 2);
  EXPECT_EQ(both_ways[0].flags & EV_ERROR, EV_ERROR);
  EXPECT_EQ(both_ways[0].data, 0);
  EXPECT_EQ(both_ways[1].data, ENOENT);
  // Without EV_RECEIPT: changes in and events out, in one call.
  struct kevent one;
  EV_SET(&one, static_cast<std::uintptr_t>(pair.fd()), EVFILT_WRITE, EV_ADD, 0, 0, nullptr);
  EXPECT_EQ(::kevent(queue.queue.get(), &one, 1, both_ways.data(), 2, &at_once), 2);
}

struct Devpoll {
  os::UniqueFd device{devpoll::open_device()};

  void write(int fd, int events) const {
    const pollfd entry{fd, static_cast<short>(events), 0};
    EXPECT_EQ(devpoll::write_entries(device.get(), &entry, 1), ssize_t{sizeof entry});
  }
  std::vector<pollfd> events(std::size_t most = 16) const {
    std::vector<pollfd> all(most);
    dvpoll request{.dp_fds = all.data(), .dp_nfds = most, .dp_timeout = 0};
    const int count = devpoll::poll_device(device.get(), &request);
    EXPECT_GE(count, 0);
    all.resize(static_cast<std::size_t>(count));
    return all;
  }
};

TEST(DevpollRules, WhatIsWrittenIsAdded) {
  const Devpoll device;
  Pair pair;
  pair.send();
  device.write(pair.fd(), POLLIN);
  device.write(pair.fd(), POLLOUT);
  auto events = device.events();
  ASSERT_EQ(events.size(), 1u) << "two entries for one descriptor are one";
  EXPECT_EQ(events[0].revents, POLLIN | POLLOUT);
  device.write(pair.fd(), POLLREMOVE);
  EXPECT_EQ(device.events().size(), 0u);
  device.write(pair.fd(), POLLOUT);
  events = device.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].revents, POLLOUT);
}

TEST(DevpollRules, AClosedDescriptorStaysUntilItIsRemoved) {
  const Devpoll device;
  Pair pair, next;
  const int fd = pair.fd();
  device.write(fd, POLLIN);
  pair.near.reset();
  for (int round = 0; round < 2; ++round) {
    const auto events = device.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].revents, POLLNVAL);
  }
  ASSERT_EQ(::dup3(next.fd(), fd, O_CLOEXEC), fd);
  pair.near.reset(fd);
  next.send();
  auto events = device.events();
  ASSERT_EQ(events.size(), 1u) << "used again, it is the new file's";
  EXPECT_EQ(events[0].revents, POLLIN);
  device.write(fd, POLLREMOVE);
  EXPECT_EQ(device.events().size(), 0u);
}

TEST(DevpollRules, WhatDoesNotFitComesNext) {
  const Devpoll device;
  std::array<Pair, 3> pairs;
  std::vector<int> expected, told;
  for (const Pair& pair : pairs) {
    device.write(pair.fd(), POLLOUT);
    expected.push_back(pair.fd());
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) told.push_back(device.events(1).at(0).fd);
  std::ranges::sort(told);
  std::ranges::sort(expected);
  EXPECT_EQ(told, expected);
}

}  // namespace
}  // namespace polyio
