// offload: what it gives back, how many run at once, in which order, and what a cancel does to one
// that waits in line and to one that has begun.
#include <polyio/exec/offload.hpp>
#include <semaphore>
#include <set>
#include <stdexcept>
#include <string>

#include "fixture.hpp"

namespace polyio {
namespace {

using namespace exec_test;

class Offload : public IoTest {};
POLYIO_ON_EVERY_MODEL(Offload);

TEST_P(Offload, GivesTheResultAndRunsElsewhere) {
  run([&](TaskGroup&) -> Task<> {
    const auto here = std::this_thread::get_id();
    std::thread::id there;
    auto sum = co_await offload(io(), [&] {
      there = std::this_thread::get_id();
      return 40 + 2;
    });
    POLYIO_REQUIRE(sum);
    EXPECT_EQ(*sum, 42);
    EXPECT_NE(here, there);
  });
}

TEST_P(Offload, GivesNothingAndMoveOnlyThingsAndResults) {
  run([&](TaskGroup&) -> Task<> {
    int calls = 0;
    auto nothing = co_await offload(io(), [&] { ++calls; });
    EXPECT_TRUE(nothing);
    EXPECT_EQ(calls, 1);
    auto owned = co_await offload(io(), [] { return std::make_unique<int>(7); });
    POLYIO_REQUIRE(owned);
    EXPECT_EQ(**owned, 7);
    auto failed = co_await offload(io(), []() -> Result<int> { return fail(ENOENT); });
    EXPECT_TRUE(failed_with(failed, std::errc::no_such_file_or_directory));
  });
}

TEST_P(Offload, RethrowsWhatTheFunctionThrew) {
  run([&](TaskGroup&) -> Task<> {
    std::string caught;
    try {
      auto result = co_await offload(io(), []() -> int { throw std::runtime_error("too heavy"); });
      ADD_FAILURE() << "it gave " << *result;
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, "too heavy");
    auto after = co_await offload(io(), [] { return 1; });
    EXPECT_TRUE(after) << "the thread is still there";
  });
}

TEST_P(Offload, OtherTasksRunMeanwhile) {
  ThreadPoolExecutor pool({.threads = 1});
  Gate gate;
  run([&](TaskGroup& group) -> Task<> {
    bool over = false;
    auto heavy = [&]() -> Task<> {
      auto ran = co_await offload(io(), pool, [&] { gate.pass(); });
      EXPECT_TRUE(ran);
      over = true;
    };
    POLYIO_REQUIRE(group.spawn(heavy));
    co_await until([&] { return gate.begun == 1; });
    co_await turns(20);
    EXPECT_FALSE(over);
    gate.open();
    co_await until([&] { return over; });
  });
}

TEST_P(Offload, NeverMoreAtOnceThanThreads) {
  ThreadPoolExecutor pool({.threads = 3});
  std::atomic<int> inside = 0, peak = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  Gate gate;
  run([&](TaskGroup& group) -> Task<> {
    auto one = [&]() -> Task<> {
      auto ran = co_await offload(io(), pool, [&] {
        const int now = ++inside;
        if (int seen = peak; now > seen) (void)peak.compare_exchange_strong(seen, now);
        gate.pass();
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
        --inside;
      });
      EXPECT_TRUE(ran);
    };
    for (int i = 0; i < 12; ++i) POLYIO_REQUIRE(group.spawn(one));
    co_await until([&] { return pool.waiting() == 9; });  // three have begun, nine wait
    co_await until([&] { return gate.begun == 3; });
    EXPECT_EQ(pool.threads(), 3u);
    gate.open(12);
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
  EXPECT_EQ(peak, 3);
  EXPECT_LE(threads.size(), 3u);
}

TEST_P(Offload, FirstComeFirstServed) {
  ThreadPoolExecutor pool({.threads = 1});
  Gate gate;
  std::vector<int> came, served;  // came: guarded by the Io; served: by the one thread
  run([&](TaskGroup& group) -> Task<> {
    auto one = [&](int number) -> Task<> {
      came.push_back(number);
      auto ran = co_await offload(io(), pool, [&] {
        gate.pass();
        served.push_back(number);
      });
      EXPECT_TRUE(ran);
    };
    for (int i = 0; i < 8; ++i) {
      const auto line = pool.waiting();
      POLYIO_REQUIRE(group.spawn(one, i));
      co_await until([&] { return i == 0 ? gate.begun == 1 : pool.waiting() == line + 1; });
    }
    gate.open(8);
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
  EXPECT_EQ(came, served);
}

TEST_P(Offload, ACancelTakesOutWhatWaitsInLine) {
  ThreadPoolExecutor pool({.threads = 1});
  Gate gate;
  bool ran_anyway = false;
  run([&](TaskGroup& group) -> Task<> {
    auto first = [&]() -> Task<> {
      auto ran = co_await offload(io(), pool, [&] { gate.pass(); });
      EXPECT_TRUE(ran);
    };
    CancelScope* inner = nullptr;
    auto second = [&]() -> Task<> {
      CancelScope scope(io());
      inner = &scope;
      auto ran = co_await offload(io(), pool, [&] { ran_anyway = true; });
      EXPECT_TRUE(cancelled(ran));
      inner = nullptr;
    };
    POLYIO_REQUIRE(group.spawn(first));
    co_await until([&] { return gate.begun == 1; });
    POLYIO_REQUIRE(group.spawn(second));
    co_await until([&] { return pool.waiting() == 1; });
    inner->cancel();
    co_await until([&] { return inner == nullptr; });
    EXPECT_EQ(pool.waiting(), 0u);
    gate.open();
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
  EXPECT_FALSE(ran_anyway);
}

TEST_P(Offload, ADeadlineTakesOutWhatWaitsInLine) {
  ThreadPoolExecutor pool({.threads = 1});
  Gate gate;
  run([&](TaskGroup& group) -> Task<> {
    auto first = [&]() -> Task<> {
      auto ran = co_await offload(io(), pool, [&] { gate.pass(); });
      EXPECT_TRUE(ran);
    };
    POLYIO_REQUIRE(group.spawn(first));
    co_await until([&] { return gate.begun == 1; });
    {
      CancelScope scope(io(), 1ms);
      auto ran = co_await offload(io(), pool, [] { ADD_FAILURE() << "it began"; });
      EXPECT_TRUE(timed_out(ran));
    }
    gate.open();
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
}

TEST_P(Offload, WhatHasBegunIsWaitedForCancelledOrNot) {
  ThreadPoolExecutor pool({.threads = 1});
  Gate gate;
  run([&](TaskGroup& group) -> Task<> {
    CancelScope* inner = nullptr;
    bool back = false;
    auto task = [&]() -> Task<> {
      CancelScope scope(io());
      inner = &scope;
      std::string local = "the caller's";  // the function uses it to its end
      auto ran = co_await offload(io(), pool, [&] {
        gate.pass();
        local += " variable";
        return local.size();
      });
      POLYIO_REQUIRE(ran);  // what was done is told, cancelled or not
      EXPECT_EQ(*ran, local.size());
      auto slept = co_await io().sleep(0ms);
      EXPECT_TRUE(cancelled(slept));
      back = true;
    };
    POLYIO_REQUIRE(group.spawn(task));
    co_await until([&] { return gate.begun == 1; });
    inner->cancel();
    co_await turns(50);
    EXPECT_FALSE(back) << "it left its function behind";
    gate.open();
    co_await until([&] { return back; });
  });
}

TEST_P(Offload, InACancelledScopeNothingBegins) {
  run([&](TaskGroup&) -> Task<> {
    CancelScope scope(io());
    scope.cancel();
    auto ran = co_await offload(io(), [] { ADD_FAILURE() << "it began"; });
    EXPECT_TRUE(cancelled(ran));
  });
}

TEST_P(Offload, AFullLineRefuses) {
  ThreadPoolExecutor pool({.threads = 1, .queue = 2});
  Gate gate;
  run([&](TaskGroup& group) -> Task<> {
    auto one = [&]() -> Task<> {
      auto ran = co_await offload(io(), pool, [&] { gate.pass(); });
      EXPECT_TRUE(ran);
    };
    POLYIO_REQUIRE(group.spawn(one));
    co_await until([&] { return gate.begun == 1; });
    for (int i = 0; i < 2; ++i) POLYIO_REQUIRE(group.spawn(one));
    co_await until([&] { return pool.waiting() == 2; });
    auto refused = co_await offload(io(), pool, [] { ADD_FAILURE() << "it began"; });
    EXPECT_TRUE(failed_with(refused, std::errc::resource_unavailable_try_again));
    gate.open(3);
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
}

TEST_P(Offload, ManyAtOnceAreAllAnswered) {
  ThreadPoolExecutor pool({.threads = 2});
  int answered = 0;
  run([&](TaskGroup& group) -> Task<> {
    auto one = [&](int number) -> Task<> {
      auto square = co_await offload(io(), pool, [&] { return number * number; });
      POLYIO_REQUIRE(square);
      EXPECT_EQ(*square, number * number);
      ++answered;
    };
    for (int i = 0; i < 200; ++i) POLYIO_REQUIRE(group.spawn(one, i));
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
  EXPECT_EQ(answered, 200);
}

// Several Ios share one pool; cancels come at any moment. Nothing may hang, be lost or be touched
// by two threads (TSan looks).
TEST_P(Offload, SeveralIosAndCancelsAtRandom) {
  ThreadPoolExecutor pool({.threads = 2});
  std::atomic<int> ran = 0, told = 0;
  auto of_one_io = [&](std::uint64_t seed) {
    auto own = make_io();
    auto one = [&](Io& here, int microseconds) -> Task<> {
      CancelScope scope(here, std::chrono::microseconds(microseconds));
      int local = 0;
      auto result = co_await offload(here, pool, [&] {
        ++ran;
        return ++local;
      });
      EXPECT_EQ(local, result ? 1 : 0);
      if (result) ++told;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      Random random(seed);
      for (int i = 0; i < 100; ++i) {
        (void)group.spawn(one, *own, static_cast<int>(random.below(200)));
      }
      co_return;
    };
    own->run(with_task_group(*own, body));
  };
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 1; i <= 3; ++i) threads.emplace_back(of_one_io, i);
  }
  EXPECT_EQ(ran, told);
  EXPECT_EQ(pool.waiting(), 0u);
}

TEST(ThreadPoolTest, HasStackForUsersCode) {
  ThreadPoolExecutor pool({.threads = 1});
  Io io(*make_driver("epoll"));
  auto main = [&]() -> Task<> {
    auto used = co_await offload(io, pool, [] {
      volatile char room[1024 * 1024];  // a handler's thread has a quarter of it
      for (std::size_t i = 0; i < sizeof room; i += 4096) room[i] = 1;
      return static_cast<int>(room[4096]);
    });
    EXPECT_TRUE(used);
  };
  io.run(main());
}

}  // namespace
}  // namespace polyio
