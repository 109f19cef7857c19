#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <filesystem>
#include <mutex>
#include <new>
#include <polyio/ipc/condition.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/lock_order.hpp>
#include <thread>

namespace polyio {
namespace {

using lock_order::Cycle;

class LockOrder : public testing::Test {
 protected:
  LockOrder() {
    lock_order::set_handler([this](const Cycle& cycle) {
      const std::lock_guard guard(mutex_);
      cycles.push_back(cycle);
    });
    lock_order::enable();
  }
  ~LockOrder() override {
    lock_order::disable();
    lock_order::set_handler({});
  }
  template <class One, class Other>
  static void lock_both(One& one, Other& other) {
    const auto first = one.hold().value();
    const auto second = other.hold().value();
  }

  std::mutex mutex_;
  std::vector<Cycle> cycles;
};

[[gnu::noinline]] void left_then_right(threads::Mutex& left, threads::Mutex& right) {
  const auto one = left.hold().value();
  const auto other = right.hold().value();
}

[[gnu::noinline]] void right_then_left(threads::Mutex& left, threads::Mutex& right) {
  const auto one = right.hold().value();
  const auto other = left.hold().value();
}

TEST_F(LockOrder, TwoOrdersAreReportedOnceWithNamesThreadsAndPlaces) {
  threads::Mutex left, right;
  lock_order::name(left, "left key");
  lock_order::name(right, "right key");
  left_then_right(left, right);
  left_then_right(left, right);
  EXPECT_TRUE(cycles.empty());
  std::jthread([&] { right_then_left(left, right); }).join();
  right_then_left(left, right);
  ASSERT_EQ(cycles.size(), 1u);
  const auto& edges = cycles[0].edges;
  ASSERT_EQ(edges.size(), 2u);
  EXPECT_EQ(edges[0].held, "left key");
  EXPECT_EQ(edges[0].wanted, "right key");
  EXPECT_EQ(edges[1].held, "right key");
  EXPECT_EQ(edges[1].wanted, "left key");
  EXPECT_EQ(edges[0].thread, ipc::SharedKernel::self());
  EXPECT_NE(edges[0].thread, edges[1].thread);
  const std::string text = cycles[0].text();
  EXPECT_NE(text.find("left key and then right key"), std::string::npos) << text;
  EXPECT_NE(text.find("left_then_right"), std::string::npos) << text;
  EXPECT_NE(text.find("right_then_left"), std::string::npos) << text;
}

TEST_F(LockOrder, ACycleOfThreeOfAllKinds) {
  threads::Mutex one;
  threads::RLock two;
  ipc::Mutex three;
  lock_both(one, two);
  lock_both(two, three);
  EXPECT_TRUE(cycles.empty());
  lock_both(three, one);
  ASSERT_EQ(cycles.size(), 1u);
  EXPECT_EQ(cycles[0].edges.size(), 3u);
  EXPECT_EQ(cycles[0].edges[0].held.substr(0, 2), "0x");
  lock_order::forget(&three);
}

TEST_F(LockOrder, TheSameOrderIsNone) {
  threads::Mutex one;
  threads::RLock two;
  for (int i = 0; i < 3; ++i) lock_both(one, two);
  const auto outer = two.hold().value();
  const auto again = two.hold().value();  // its holder's second time is no order
  EXPECT_TRUE(cycles.empty());
}

TEST_F(LockOrder, TryingIsNoOrderButWhatItHoldsIs) {
  threads::Mutex one, two;
  lock_both(one, two);
  {
    const auto held = two.hold().value();
    ASSERT_TRUE(one.try_lock());
    ASSERT_TRUE(one.unlock());
  }
  EXPECT_TRUE(cycles.empty());
  ASSERT_TRUE(two.try_lock());
  const auto held = one.hold().value();
  EXPECT_EQ(cycles.size(), 1u);
  ASSERT_TRUE(two.unlock());
}

TEST_F(LockOrder, OneThatIsGoneIsForgotten) {
  threads::Mutex one;
  alignas(threads::Mutex) std::byte memory[sizeof(threads::Mutex)];
  auto* two = new (memory) threads::Mutex;
  lock_both(one, *two);
  two->~BasicMutex();
  two = new (memory) threads::Mutex;
  lock_both(*two, one);
  EXPECT_TRUE(cycles.empty());
  two->~BasicMutex();
}

TEST_F(LockOrder, WhatWasLetGoWhileOffIsNotHeld) {
  threads::Mutex one, two;
  lock_both(two, one);
  ASSERT_TRUE(one.lock());
  lock_order::disable();
  ASSERT_TRUE(one.unlock());
  lock_order::enable();
  lock_both(two, one);
  ASSERT_TRUE(two.lock());
  ASSERT_TRUE(two.unlock());
  EXPECT_TRUE(cycles.empty());
}

TEST_F(LockOrder, IsReportedBeforeTheWait) {
  threads::Mutex left, right;
  threads::Event left_held, right_held, reported;
  lock_order::set_handler([&](const Cycle&) { reported.set(); });
  std::jthread thread([&] {
    const auto one = left.hold().value();
    left_held.set();
    ASSERT_TRUE(right_held.wait());
    ASSERT_TRUE(right.lock());  // for ever, were it not for the report
    ASSERT_TRUE(right.unlock());
  });
  ASSERT_TRUE(left_held.wait());
  {
    const auto one = right.hold().value();
    right_held.set();
    // The other may be first or second to ask; the report goes to the second.
    while (!reported.is_set()) {
      const auto locked = left.lock(monotonic_now() + std::chrono::milliseconds(1));
      ASSERT_FALSE(locked);
    }
  }
  EXPECT_TRUE(reported.is_set());
}

TEST_F(LockOrder, AConditionHoldsNothingWhileItWaits) {
  threads::Mutex mutex, other;
  threads::Condition condition;
  bool notified = false;
  std::jthread thread([&] {
    const auto held = mutex.hold().value();
    ASSERT_TRUE(condition.wait(mutex, [&] { return notified; }));
  });
  lock_both(mutex, other);
  {
    const auto held = mutex.hold().value();
    notified = true;
    condition.notify_all();
  }
  thread.join();
  EXPECT_TRUE(cycles.empty());
}

TEST_F(LockOrder, ManyThreadsAtOnce) {
  std::array<threads::Mutex, 6> locks;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (std::size_t round = 0; round < 300; ++round) {
          lock_both(locks[round % 5], locks[round % 5 + 1]);  // always upwards
        }
      });
    }
  }
  EXPECT_TRUE(cycles.empty());
  lock_both(locks[5], locks[0]);
  ASSERT_EQ(cycles.size(), 1u);
  EXPECT_EQ(cycles[0].edges.size(), 6u);
}

// What a program prints that was started with POLYIO_CHECK_LOCKS=1: run by the test below.
TEST(LockOrderChild, DISABLED_LocksInTwoOrders) {
  threads::Mutex left, right;
  lock_order::name(left, "left key");
  left_then_right(left, right);
  right_then_left(left, right);
}

TEST(LockOrderVariable, TurnsItOnFromTheStart) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto run = [&](const std::string& variable) {
    const std::string command = variable + " '" + self +
                                "' --gtest_also_run_disabled_tests "
                                "--gtest_filter=LockOrderChild.* 2>&1 >/dev/null";
    FILE* const pipe = ::popen(command.c_str(), "r");
    std::string said;
    for (int c = 0; pipe && (c = ::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0);
    return said;
  };
  const std::string said = run("GTEST_OUTPUT= POLYIO_CHECK_LOCKS=1");
  EXPECT_NE(said.find("left key and then 0x"), std::string::npos) << said;
  EXPECT_EQ(run("GTEST_OUTPUT= POLYIO_CHECK_LOCKS=0"), "");
}

}  // namespace
}  // namespace polyio
