// ThreadPoolExecutor: what is its own beyond the contract of both pools (executor_test.cpp): when
// threads start, names, stacks, what a work holds, and works that submit works.
#include <polyio/exec/thread_pool.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <polyio/base/sanitizers.hpp>
#include <stdexcept>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio {
namespace {

using namespace exec_test;

int add(int a, int b) { return a + b; }

// A pool of one thread, which is busy until the gate is opened.
struct Held {
  Held() : pool({.threads = 1}) {
    first = pool.submit([this] { gate.pass(); });
    while (gate.begun == 0) std::this_thread::yield();
  }
  // The rest would wait for the gate too.
  ~Held() { gate.open(); }
  Gate gate;
  ThreadPoolExecutor pool;
  Future<> first;
};

TEST(ThreadPoolTest, SubmitGivesTheResult) {
  ThreadPoolExecutor pool({.threads = 2});
  EXPECT_EQ(pool.submit(add, 1, 2).result(), 3);
  const std::string text = "kept";
  EXPECT_EQ(pool.submit(&std::string::size, text).result(), 4u);
  EXPECT_EQ(
      pool.submit([](std::unique_ptr<int> one) { return *one; }, std::make_unique<int>(5)).result(),
      5);
  int counted = 0;
  EXPECT_TRUE(pool.submit([](int& count) { ++count; }, std::ref(counted)).result());
  EXPECT_EQ(counted, 1);
  EXPECT_EQ(**pool.submit([] { return std::make_unique<int>(6); }).result(), 6);
}

TEST(ThreadPoolTest, WhatAWorkHoldsIsGoneWhenItIsDone) {
  ThreadPoolExecutor pool({.threads = 1});
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  const auto future = pool.submit([held = std::move(held)] { return *held; });
  EXPECT_EQ(future.result(), 1);
  EXPECT_TRUE(seen.expired());
}

// Whichever thread that is: the pool's, which has the future for a moment longer, or the caller's.
TEST(ThreadPoolTest, AnExceptionEndsWithItsLastUser) {
  ThreadPoolExecutor pool({.threads = 2});
  const std::string text(100, 'x');
  for (int i = 0; i < (POLYIO_TSAN ? 3'000 : 1'000); ++i) {
    try {
      (void)pool.submit([&]() -> int { throw std::runtime_error(text); }).result();
      FAIL();
    } catch (const std::runtime_error& error) {
      ASSERT_EQ(error.what(), text);
    }
  }
}

TEST(ThreadPoolTest, ThreadsAreStartedAsTheyAreNeededAndHaveTheName) {
  ThreadPoolExecutor pool({.threads = 3, .name = "counter"});
  EXPECT_EQ(pool.threads(), 0u);
  const auto name_of_thread = [] {
    std::ifstream file("/proc/thread-self/comm");
    std::string name;
    std::getline(file, name);
    return name;
  };
  EXPECT_EQ(pool.submit(name_of_thread).result()->substr(0, 7), "counter");
  EXPECT_EQ(pool.threads(), 1u);
  std::latch together(3);  // all three at once, or none goes on
  std::vector<Future<>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(pool.submit([&] { together.arrive_and_wait(); }));
  EXPECT_EQ(wait(futures).size(), 3u);
  EXPECT_EQ(pool.threads(), 3u);
}

TEST(ThreadPoolTest, MapGivesWhatCanNotBeCopied) {
  ThreadPoolExecutor pool({.threads = 2});
  int sum = 0;
  for (auto&& number : pool.map(std::make_unique<int, int>, std::vector{1, 2, 3})) sum += **number;
  EXPECT_EQ(sum, 6);
}

TEST(ThreadPoolTest, AThreadOfThePoolIsRefusedWhereItWouldWaitForItself) {
  ThreadPoolExecutor pool({.threads = 1, .queue = 1});
  const auto inner = pool.submit([&] {
    const auto kept = pool.submit(add, 1, 1);
    const auto refused = pool.submit(add, 2, 2);
    return std::pair(refused.result(), kept.result());
  });
  const auto results = inner.result();
  EXPECT_TRUE(failed_with(results->first, std::errc::resource_unavailable_try_again));
  EXPECT_EQ(results->second, 2);
}

int fibonacci(ThreadPoolExecutor& pool, int n) {
  if (n < 2) return n;
  const auto one = pool.submit(fibonacci, std::ref(pool), n - 1);
  const auto two = pool.submit(fibonacci, std::ref(pool), n - 2);
  return *one.result() + *two.result();
}

// Each waits for two more, on one thread: a worker that waits does what it waits for.
TEST(ThreadPoolTest, WorksMayWaitForWorksOfTheirPool) {
  ThreadPoolExecutor pool({.threads = 1});
  EXPECT_EQ(pool.submit(fibonacci, std::ref(pool), 12).result(), 144);
}

TEST(ThreadPoolTest, CallbacksRunOnTheWorkersThread) {
  Held held;
  std::promise<std::thread::id> called;
  const auto future = held.pool.submit([] { return std::this_thread::get_id(); });
  future.on_done(
      [&](const Future<std::thread::id>&) { called.set_value(std::this_thread::get_id()); });
  held.gate.open();
  EXPECT_EQ(called.get_future().get(), future.result());
}

TEST(ThreadPoolTest, IdleThreadsTakeNoProcessorTime) {
  ThreadPoolExecutor pool({.threads = 4});
  std::latch together(4);
  std::vector<Future<>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(pool.submit([&] { together.arrive_and_wait(); }));
  EXPECT_EQ(wait(futures).size(), 4u);
  const auto asleep = [](const std::filesystem::path& task) {
    std::ifstream file(task / "stat");
    std::string stat;
    std::getline(file, stat);
    return stat.find("(offload) S") != std::string::npos;
  };
  EXPECT_TRUE(test::eventually([&] {
    int count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      count += asleep(task.path());
    }
    return count >= 4;
  }));
}

}  // namespace
}  // namespace polyio
