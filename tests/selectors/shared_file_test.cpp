// register_shared(): a file that belongs to others too is waited for without touching its flags.
#include <sys/eventfd.h>

#include "kinds.hpp"

namespace polyio {
namespace {

class SharedFileTest : public SelectorTest {};
INSTANTIATE_TEST_SUITE_P(Every, SharedFileTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(SharedFileTest, IsToldForReadingUnderItsKey) {
  PipeEnds pipe;
  const int fd = pipe.read.get();
  EXPECT_EQ(selector->register_shared(fd, 7).value(), (SelectorKey{fd, event_read, 7}));
  EXPECT_EQ(told(fd), idle(event_read));
  ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
  EXPECT_EQ(told(fd), event_read);
  EXPECT_EQ(selector->unregister(fd).value(), (SelectorKey{fd, event_read, 7}));
  EXPECT_EQ(told(fd), 0u);
}

TEST_P(SharedFileTest, DuplicatesAreEachTold) {
  PipeEnds pipe;
  const os::UniqueFd copy(::fcntl(pipe.read.get(), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(selector->register_shared(pipe.read.get()));
  ASSERT_TRUE(selector->register_shared(copy.get()));
  pipe.write.reset();
  auto events = selector->select().value();
  EXPECT_EQ(events.size(), 2u);
  ASSERT_TRUE(selector->unregister(pipe.read.get()));
  EXPECT_EQ(told(pipe.read.get()), 0u);
}

TEST_P(SharedFileTest, KeepsItsFlags) {
  PipeEnds pipe;
  const int before = ::fcntl(pipe.read.get(), F_GETFL);
  ASSERT_TRUE(selector->register_shared(pipe.read.get()));
  EXPECT_EQ(::fcntl(pipe.read.get(), F_GETFL), before);
  EXPECT_EQ(::fcntl(pipe.read.get(), F_GETSIG), 0);
  ASSERT_TRUE(selector->unregister(pipe.read.get()));
  EXPECT_EQ(::fcntl(pipe.read.get(), F_GETFL), before);
}

// sigio refuses such a file otherwise.
TEST_P(SharedFileTest, MayBeAnEventfdAndSocketsAreToldBesideIt) {
  Pair pair;
  const os::UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 1));
  ASSERT_TRUE(selector->register_shared(event.get(), 2));
  pair.send();
  EXPECT_EQ(told(pair.fd()), event_read);
  pair.receive();
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(event.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_EQ(told(event.get()), event_read);
}

TEST_P(SharedFileTest, ClosedItDoesNotEndEveryWait) {
  POLYIO_SKIP_HINTS();
  PipeEnds pipe;
  const int fd = pipe.read.get();
  ASSERT_TRUE(selector->register_shared(fd));
  pipe.read.reset();
  pipe.write.reset();
  const auto start = monotonic_now();
  auto events = selector->select(5ms).value();
  EXPECT_EQ(events.size(), 0u);
  EXPECT_GE(monotonic_now() - start, 5ms);
  EXPECT_TRUE(selector->unregister(fd));
}

TEST_P(SharedFileTest, IsRefusedLikeAnyOther) {
  PipeEnds pipe;
  EXPECT_TRUE(fails_with(selector->register_shared(-1), EBADF));
  ASSERT_TRUE(selector->register_shared(pipe.read.get()));
  EXPECT_TRUE(fails_with(selector->register_shared(pipe.read.get()), EEXIST));
  selector->close();
  EXPECT_TRUE(fails_with(selector->register_shared(pipe.read.get()), EBADF));
}

}  // namespace
}  // namespace polyio
