#include <gtest/gtest.h>

#include <atomic>
#include <polyio/os/thread_set.hpp>
#include <semaphore>
#include <string>

namespace polyio::os {
namespace {

TEST(ThreadSet, JoinsAllThatItStarted) {
  std::atomic<int> ran{0};
  ThreadSet threads;
  for (int i = 0; i < 20; ++i) threads.start("worker", [&] { ++ran; });
  threads.join_all();
  EXPECT_EQ(ran, 20);
  EXPECT_EQ(threads.size(), 0u);
}

TEST(ThreadSet, JoinsThoseThatEndedWhenItStartsOthers) {
  ThreadSet threads;
  for (int i = 0; i < 200; ++i) {
    std::binary_semaphore over(0);
    threads.start("short", [&over] { over.release(); });
    over.acquire();
  }
  EXPECT_LT(threads.size(), 200u);  // the last ones may still be on their way out
}

TEST(ThreadSet, CanBeUsedAgainAfterJoining) {
  ThreadSet threads;
  std::atomic<int> ran{0};
  for (int i = 0; i < 3; ++i) {
    threads.start("again", [&] { ++ran; });
    threads.join_all();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace polyio::os
