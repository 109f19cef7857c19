// ThreadPoolExecutor: the contract of Python's concurrent.futures, and what is its own: the bound
// of the line, names, stacks, and works that submit works.
#include <polyio/exec/offload.hpp>
#include <polyio/exec/thread_pool.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio {
namespace {

using namespace exec_test;

int add(int a, int b) { return a + b; }

// A pool of one thread, which is busy until the gate is opened.
struct Held {
  explicit Held(std::size_t queue = 100) : pool({.threads = 1, .queue = queue}) {
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

TEST(ThreadPoolTest, AResultIsFlattened) {
  ThreadPoolExecutor pool({.threads = 1});
  const Future<int> good = pool.submit([]() -> Result<int> { return 1; });
  const Future<int> bad = pool.submit([]() -> Result<int> { return fail(ENOENT); });
  EXPECT_EQ(good.result(), 1);
  EXPECT_TRUE(failed_with(bad.result(), std::errc::no_such_file_or_directory));
}

TEST(ThreadPoolTest, ExceptionsAreKeptAndTheThreadGoesOn) {
  ThreadPoolExecutor pool({.threads = 1});
  const auto failed = pool.submit([]() -> int { throw std::runtime_error("broken"); });
  EXPECT_THROW((void)failed.result(), std::runtime_error);
  EXPECT_EQ(pool.submit(add, 2, 2).result(), 4);
  EXPECT_EQ(pool.threads(), 1u);
}

TEST(ThreadPoolTest, WhatAWorkHoldsIsGoneWhenItIsDone) {
  ThreadPoolExecutor pool({.threads = 1});
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  const auto future = pool.submit([held = std::move(held)] { return *held; });
  EXPECT_EQ(future.result(), 1);
  EXPECT_TRUE(seen.expired());
}

TEST(ThreadPoolTest, FirstComeFirstServed) {
  std::vector<int> order;
  {
    Held held;
    for (int i = 0; i < 5; ++i) held.pool.submit([&order, i] { order.push_back(i); });
    EXPECT_EQ(held.pool.waiting(), 5u);
  }
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(ThreadPoolTest, SubmitAnswersWhileTheWorkRuns) {
  Held held;
  EXPECT_TRUE(held.first.running());
  const auto next = held.pool.submit(add, 1, 1);
  EXPECT_FALSE(next.running() || next.done());
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

TEST(ThreadPoolTest, ACancelledWorkNeverRuns) {
  std::atomic<int> runs{0};
  {
    Held held;
    const auto future = held.pool.submit([&] { ++runs; });
    EXPECT_EQ(held.pool.waiting(), 1u);
    EXPECT_TRUE(future.cancel());
    EXPECT_EQ(held.pool.waiting(), 0u);
    EXPECT_FALSE(held.first.cancel()) << "it has begun";
  }
  EXPECT_EQ(runs, 0);
}

TEST(ThreadPoolTest, MapGivesTheResultsInOrder) {
  ThreadPoolExecutor pool({.threads = 3});
  const std::vector<int> numbers{1, 2, 3, 4, 5, 6, 7};
  std::vector<int> squares;
  for (const Result<int>& square : pool.map([](int n) { return n * n; }, numbers)) {
    squares.push_back(*square);
  }
  EXPECT_EQ(squares, (std::vector{1, 4, 9, 16, 25, 36, 49}));
}

TEST(ThreadPoolTest, MapThrowsWhenTheTurnComes) {
  ThreadPoolExecutor pool({.threads = 2});
  const auto inverse = [](int n) { return n ? 12 / n : throw std::domain_error("of zero"); };
  std::vector<int> seen;
  EXPECT_THROW(
      {
        for (const Result<int>& one : pool.map(inverse, std::vector{3, 2, 0, 1})) {
          seen.push_back(*one);
        }
      },
      std::domain_error);
  EXPECT_EQ(seen, (std::vector{4, 6}));
}

TEST(ThreadPoolTest, MapGivesWhatCanNotBeCopied) {
  ThreadPoolExecutor pool({.threads = 2});
  int sum = 0;
  for (auto&& number : pool.map(std::make_unique<int, int>, std::vector{1, 2, 3})) sum += **number;
  EXPECT_EQ(sum, 6);
}

TEST(ThreadPoolTest, MapSaysWhatIsLate) {
  Held held;
  for (const Result<int>& sum :
       held.pool.map([](int n) { return n; }, std::views::iota(0, 3), TimePoint::min())) {
    EXPECT_TRUE(timed_out(sum));
  }
}

TEST(ThreadPoolTest, AFullLineRefusesOrWaits) {
  std::atomic<int> ran{0};
  {
    Held held(2);
    const auto count = [&] { ++ran; };
    const auto second = held.pool.submit(count);
    EXPECT_TRUE(held.pool.try_submit(count));
    EXPECT_TRUE(
        failed_with(held.pool.try_submit(count), std::errc::resource_unavailable_try_again));
    EXPECT_TRUE(second.cancel());
    EXPECT_TRUE(held.pool.try_submit(count)) << "a cancelled work leaves its place";
    std::atomic<bool> submitted{false};
    std::jthread waits([&] {
      held.pool.submit(count);
      submitted = true;
    });
    EXPECT_FALSE(submitted);
    held.gate.open();
    waits.join();
    EXPECT_TRUE(submitted);
  }
  EXPECT_EQ(ran, 3);
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

TEST(ThreadPoolTest, ShutdownDoesWhatIsInLineAndTakesNoMore) {
  std::atomic<int> ran{0};
  auto held = std::make_unique<Held>();
  for (int i = 0; i < 3; ++i) held->pool.submit([&] { ++ran; });
  held->pool.shutdown({.wait = false});
  const auto late = held->pool.submit(add, 1, 1);
  EXPECT_TRUE(failed_with(late.result(), std::errc::broken_pipe));
  EXPECT_TRUE(failed_with(held->pool.try_submit(add, 1, 1), std::errc::broken_pipe));
  EXPECT_EQ(ran, 0);
  held->gate.open();
  held->pool.shutdown();
  EXPECT_EQ(ran, 3);
  held->pool.shutdown();
}

TEST(ThreadPoolTest, ShutdownCancelsWhatIsInLineIfItIsAskedTo) {
  Held held;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(held.pool.submit(add, i, i));
  held.pool.shutdown({.wait = false, .cancel_pending = true});
  for (const auto& future : futures) EXPECT_TRUE(future.cancelled());
  EXPECT_TRUE(held.first.running());
}

TEST(ThreadPoolTest, ShutdownEndsTheWaitForAPlace) {
  Held held(1);
  held.pool.submit(add, 1, 1);
  std::atomic<bool> asked{false};
  std::jthread waits([&] {
    asked = true;
    const auto refused = held.pool.submit(add, 2, 2);
    EXPECT_TRUE(failed_with(refused.result(), std::errc::broken_pipe));
  });
  EXPECT_TRUE(test::eventually([&] { return asked.load(); }));
  held.pool.shutdown({.wait = false});
}

TEST(ThreadPoolTest, ADestroyedPoolHasDoneItsWork) {
  std::atomic<int> ran{0};
  std::vector<Future<int>> futures;
  {
    ThreadPoolExecutor pool({.threads = 2});
    for (int i = 0; i < 100; ++i) futures.push_back(pool.submit([&] { return ++ran; }));
  }
  EXPECT_EQ(ran, 100);
  for (const auto& future : futures) EXPECT_TRUE(future.done() && !future.failed());
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

// From several threads at once, with cancels: each work runs once or is cancelled.
TEST(ThreadPoolRace, EachWorkRunsOnceOrIsCancelled) {
  constexpr int submitters = 3, each = 3'000;
  std::atomic<int> ran{0}, cancelled{0};
  {
    ThreadPoolExecutor pool({.threads = 3, .queue = 64});
    std::vector<std::jthread> threads;
    for (int i = 0; i < submitters; ++i) {
      threads.emplace_back([&, i] {
        Random random(static_cast<std::uint64_t>(i));
        for (int n = 0; n < each; ++n) {
          const auto future = pool.submit([&] { ++ran; });
          if (random.below(3) == 0 && future.cancel()) ++cancelled;
        }
      });
    }
  }
  EXPECT_EQ(ran + cancelled, submitters * each);
}

}  // namespace
}  // namespace polyio
