// Spinning: what it sees, and when a thread does without.
#include <polyio/os/spin.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace polyio::os {
namespace {

// How often of `times` the calling thread would spin, each time in vain.
int spins_of(int times) {
  int spins = 0;
  for (int i = 0; i < times; ++i) {
    if (!worth_spinning()) continue;
    ++spins;
    has_spun(true);
  }
  return spins;
}

TEST(SpinTest, SeesAWordThatHasChanged) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor: nothing spins";
  std::jthread([] {
    const std::atomic<int> word{7};
    EXPECT_TRUE(spin_until_changed(word, 6));
    EXPECT_TRUE(spin_until_changed<true>(word, 6));
    EXPECT_FALSE(spin_until_changed(word, 7));
  });
}

TEST(SpinTest, AThreadThatSpinsInVainSkipsMoreAndMore) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor: nothing spins";
  std::jthread([] {
    EXPECT_EQ(spins_of(1 + 2 + 3 + 4), 4);  // skips 1, 2, 3
    EXPECT_LE(spins_of(1'700), 120);        // 16 of 17, in the end
    while (!worth_spinning()) {
    }
    has_spun(false);
    EXPECT_EQ(spins_of(1), 1);
  });
}

TEST(SpinTest, ALockIsTakenOnce) {
  std::mutex mutex;
  int count = 0;
  {
    std::jthread threads[3];
    for (std::jthread& thread : threads) {
      thread = std::jthread([&] {
        for (int i = 0; i < 10'000; ++i) {
          const auto lock = lock_spinning(mutex);
          ++count;
        }
      });
    }
  }
  EXPECT_EQ(count, 30'000);
}

}  // namespace
}  // namespace polyio::os
