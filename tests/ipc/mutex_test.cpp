#include <gtest/gtest.h>

#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/condition.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/semaphore.hpp>

TEST(Mutex, LocksAndUnlocks) {
  polyio::ipc::Mutex mutex;
  EXPECT_EQ(mutex.lock().value(), polyio::ipc::Previous::released);
  EXPECT_EQ(mutex.lock().error(), polyio::errno_code(EDEADLK));
  EXPECT_TRUE(mutex.unlock());
  EXPECT_EQ(mutex.unlock().error(), polyio::errno_code(EPERM));
}
