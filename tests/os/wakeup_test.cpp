// Wakeup, as an eventfd and as a pipe.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <polyio/os/wakeup.hpp>
#include <thread>

namespace polyio::os {
namespace {

bool readable(const Wakeup& wakeup) {
  pollfd entry{wakeup.fd(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

class WakeupTest : public testing::TestWithParam<Wakeup::Kind> {
 protected:
  Wakeup wakeup{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Every, WakeupTest,
                         testing::Values(Wakeup::Kind::eventfd, Wakeup::Kind::pipe));

TEST_P(WakeupTest, IsReadableFromSignalToDrain) {
  EXPECT_FALSE(readable(wakeup));
  for (int round = 0; round < 3; ++round) {
    wakeup.signal();
    wakeup.signal();
    EXPECT_TRUE(readable(wakeup));
    wakeup.drain();
    EXPECT_FALSE(readable(wakeup));
  }
  wakeup.drain();  // doesn't wait
}

// More signals than a pipe holds: none blocks.
TEST_P(WakeupTest, ManySignalsAreOne) {
  for (int i = 0; i < 200'000; ++i) wakeup.signal();
  EXPECT_TRUE(readable(wakeup));
  wakeup.drain();
  EXPECT_FALSE(readable(wakeup));
}

TEST_P(WakeupTest, WakesAnotherThread) {
  std::thread waiter([&] {
    pollfd entry{wakeup.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
  });
  wakeup.signal();
  waiter.join();
}

TEST_P(WakeupTest, IsNotInherited) {
  EXPECT_EQ(::fcntl(wakeup.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(wakeup.fd(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

}  // namespace
}  // namespace polyio::os
