// Future and Promise: what ends a future, what it answers then, and what waits for it: the contract
// of Python's concurrent.futures, case by case.
#include <polyio/exec/future.hpp>
#include <polyio/io/cancel_scope.hpp>

#include <latch>

#include "fixture.hpp"

namespace polyio {
namespace {

using namespace exec_test;

constexpr Deadline at_once = TimePoint::min();

TEST(FutureTest, IsPendingThenRunningThenDone) {
  Promise<int> promise;
  const Future<int> future = promise.future();
  EXPECT_FALSE(future.running() || future.done());
  EXPECT_TRUE(promise.begin());
  EXPECT_FALSE(promise.begin());
  EXPECT_TRUE(future.running());
  EXPECT_TRUE(failed_with(future.result(at_once), std::errc::timed_out));
  EXPECT_TRUE(promise.set_value(7));
  EXPECT_TRUE(future.done());
  EXPECT_FALSE(future.running() || future.cancelled() || future.failed());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(future.result(), 7);
  EXPECT_EQ(future.exception(), nullptr);
}

TEST(FutureTest, EndsOnce) {
  Promise<int> promise;
  const Future<int> future = promise.future();
  EXPECT_TRUE(promise.set_value(1));
  EXPECT_FALSE(promise.set_value(2));
  EXPECT_FALSE(promise.set_error(errno_code(EIO)));
  EXPECT_FALSE(promise.set_exception(std::make_exception_ptr(1)));
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(future.result(), 1);
}

TEST(FutureTest, KeepsAnErrorOrAnException) {
  Promise<int> refused;
  refused.set_error(errno_code(ENOENT));
  EXPECT_TRUE(failed_with(refused.future().result(), std::errc::no_such_file_or_directory));
  EXPECT_EQ(refused.future().exception(), nullptr);
  EXPECT_TRUE(refused.future().failed());
  Promise<int> thrown;
  thrown.set_exception(std::make_exception_ptr(std::runtime_error("too much")));
  for (int i = 0; i < 2; ++i) EXPECT_THROW((void)thrown.future().result(), std::runtime_error);
  EXPECT_NE(thrown.future().exception().value(), nullptr);
  EXPECT_TRUE(thrown.future().failed());
}

TEST(FutureTest, WhatThrowsWhileItIsSetIsTheOutcome) {
  struct Unwilling {
    Unwilling() = default;
    Unwilling(const Unwilling&) { throw std::runtime_error("not me"); }
  };
  Promise<Unwilling> promise;
  const Unwilling value;
  EXPECT_TRUE(promise.set_value(value));
  EXPECT_NE(promise.future().exception().value(), nullptr);
}

TEST(FutureTest, ACancelEndsOnlyWhatHasNotBegun) {
  Promise<> promise;
  const Future<> future = promise.future();
  EXPECT_TRUE(future.cancel());
  EXPECT_TRUE(future.cancel()) << "it is cancelled already";
  EXPECT_TRUE(future.cancelled() && future.done() && future.failed());
  EXPECT_FALSE(promise.begin());
  EXPECT_FALSE(promise.set_value());
  EXPECT_TRUE(failed_with(future.result(), std::errc::operation_canceled));
  EXPECT_TRUE(failed_with(future.exception(), std::errc::operation_canceled));
  Promise<> begun;
  EXPECT_TRUE(begun.begin());
  EXPECT_FALSE(begun.future().cancel());
  EXPECT_FALSE(begun.future().done());
}

TEST(FutureTest, ALostPromiseIsAnError) {
  Future<int> future;
  {
    Promise<int> promise;
    future = promise.future();
    Promise<int> moved = std::move(promise);
    EXPECT_FALSE(future.done());
    promise = Promise<int>();
  }
  EXPECT_TRUE(failed_with(future.result(), std::errc::owner_dead));
}

TEST(FutureTest, MovesOutWhatCannotBeCopied) {
  Promise<std::unique_ptr<int>> promise;
  Future<std::unique_ptr<int>> future = promise.future();
  promise.set_value(std::make_unique<int>(3));
  const auto value = std::move(future).result();
  EXPECT_EQ(**value, 3);
}

TEST(FutureTest, CallbacksAreCalledOnceAndInOrder) {
  std::vector<int> calls;
  Promise<int> promise;
  const Future<int> future = promise.future();
  for (int i = 1; i <= 3; ++i) {
    future.on_done([&calls, i](const Future<int>& done) { calls.push_back(*done.result() + i); });
  }
  EXPECT_TRUE(calls.empty());
  promise.set_value(10);
  promise.set_value(20);
  EXPECT_EQ(calls, (std::vector{11, 12, 13}));
  future.on_done([&](const Future<int>&) { calls.push_back(99); });
  EXPECT_EQ(calls.back(), 99) << "at once: it is done";
}

TEST(FutureTest, ACancelCallsBack) {
  const Promise<> promise;
  int calls = 0;
  promise.future().on_done([&](const Future<>& future) { calls += future.cancelled(); });
  EXPECT_TRUE(promise.future().cancel());
  EXPECT_EQ(calls, 1);
}

TEST(FutureTest, ACallbackThatThrowsHarmsNoOther) {
  testing::internal::CaptureStderr();
  Promise<> promise;
  int calls = 0;
  promise.future().on_done([](const Future<>&) { throw std::runtime_error("a bad callback"); });
  promise.future().on_done([](const Future<>&) { throw 1; });
  promise.future().on_done([&](const Future<>&) { ++calls; });
  EXPECT_TRUE(promise.set_value());
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(promise.future().result());
  EXPECT_NO_THROW(promise.future().on_done([](const Future<>&) { throw 2; }));
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("a callback of a future threw: a bad callback\n"), std::string::npos) << said;
}

TEST(FutureTest, ACallbackMayAddAnother) {
  Promise<> promise;
  int calls = 0;
  promise.future().on_done(
      [&](const Future<>& future) { future.on_done([&](const Future<>&) { ++calls; }); });
  promise.set_value();
  EXPECT_EQ(calls, 1);
}

TEST(FutureTest, CallbacksOfAFutureThatNeverEndsAreDestroyed) {
  const auto held = std::make_shared<int>(1);
  {
    const detail::Share<detail::FutureStateOf<int>> state(new detail::FutureStateOf<int>);
    struct Holder : detail::FutureState::Callback {
      explicit Holder(std::shared_ptr<int> given) : what(std::move(given)) {}
      void call(detail::FutureState&) override {}
      std::shared_ptr<int> what;
    };
    state->on_done(std::make_unique<Holder>(held));
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(FutureTest, WakesThreadsThatWait) {
  Promise<std::string> promise;
  std::latch waiting(3);
  std::atomic<int> woken{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, future = promise.future()] {
      waiting.count_down();
      woken += future.result() == "here";
    });
  }
  waiting.wait();
  promise.set_value("here");
  threads.clear();
  EXPECT_EQ(woken, 3);
}

std::vector<Promise<int>> promises(int count) {
  std::vector<Promise<int>> made;
  for (int i = 0; i < count; ++i) made.emplace_back();
  return made;
}
std::vector<Future<int>> futures_of(const std::vector<Promise<int>>& promises) {
  std::vector<Future<int>> futures;
  for (const auto& promise : promises) futures.push_back(promise.future());
  return futures;
}
std::vector<int> values(const std::vector<Future<int>>& futures) {
  std::vector<int> all;
  for (const auto& future : futures) all.push_back(future.result().value_or(-1));
  return all;
}

TEST(WaitTest, AnswersWhatIsDoneInItsOrder) {
  auto all = promises(3);
  const auto futures = futures_of(all);
  EXPECT_TRUE(wait(futures, at_once).empty());
  all[2].set_value(2);
  all[0].set_value(0);
  EXPECT_EQ(wait(futures, at_once).size(), 2u) << "those that are late are left out";
  all[1].set_value(1);
  EXPECT_EQ(values(wait(futures)), (std::vector{0, 1, 2}));
}

TEST(WaitTest, ForTheFirst) {
  auto all = promises(3);
  const auto futures = futures_of(all);
  std::jthread setter([&] { all[1].set_value(1); });
  EXPECT_EQ(values(wait(futures, never, Until::first_done)), (std::vector{1}));
}

TEST(WaitTest, ForTheFirstThatFails) {
  auto all = promises(3);
  const auto futures = futures_of(all);
  std::jthread setter([&] {
    all[0].set_value(0);
    all[2].set_error(errno_code(EIO));
  });
  EXPECT_EQ(values(wait(futures, never, Until::first_failed)), (std::vector{0, -1}));
  all[1].set_value(1);
  const auto good = futures_of(promises(0));
  EXPECT_TRUE(wait(good, never, Until::first_failed).empty()) << "there is none to wait for";
}

TEST(WaitTest, AsCompletedGivesEachOnceAsItEnds) {
  auto all = promises(3);
  std::vector<int> order;
  all[1].set_value(1);
  for (const Future<int>& future : as_completed(futures_of(all))) {
    order.push_back(*future.result());
    if (order.size() == 1) all[2].set_value(2);
    if (order.size() == 2) all[0].set_value(0);
  }
  EXPECT_EQ(order, (std::vector{1, 2, 0}));
}

TEST(WaitTest, AsCompletedStopsAtItsDeadline) {
  auto all = promises(2);
  all[1].set_value(1);
  int seen = 0;
  for (const Future<int>& future : as_completed(futures_of(all), at_once)) seen += *future.result();
  EXPECT_EQ(seen, 1);
}

TEST(WaitTest, CompletionsTellTheLateFromTheLast) {
  auto all = promises(2);
  Completions<int> completions(futures_of(all));
  all[0].set_value(5);
  EXPECT_EQ(completions.next(at_once)->result(), 5);
  EXPECT_TRUE(failed_with(completions.next(at_once), std::errc::timed_out));
  EXPECT_EQ(completions.left(), 1u);
  all[1].set_value(6);
  EXPECT_EQ(completions.next()->result(), 6);
  EXPECT_EQ(completions.next().error(), Errc::end_of_file);
}

class FutureOnIo : public IoTest {};

TEST_P(FutureOnIo, IsAwaitedByTasks) {
  Promise<int> promise;
  int sum = 0;
  run([&](TaskGroup& group) -> Task<> {
    const auto waits = [&]() -> Task<> {
      const Future<int> future = promise.future();
      auto value = co_await future.result(io());
      sum += value.value();
    };
    for (int i = 0; i < 3; ++i) (void)group.spawn(waits);
    co_await turns(3);
    EXPECT_EQ(sum, 0);
    std::jthread setter([&] { promise.set_value(7); });
    co_await until([&] { return sum == 21; });
    const Future<int> future = promise.future();
    auto again = co_await future.result(io());
    EXPECT_EQ(again, 7) << "done already";
  });
}

TEST_P(FutureOnIo, RethrowsIntoTheTask) {
  run([&](TaskGroup&) -> Task<> {
    Promise<int> promise;
    promise.set_exception(std::make_exception_ptr(std::runtime_error("thrown elsewhere")));
    const Future<int> future = promise.future();
    bool caught = false;
    try {
      auto value = co_await future.result(io());
      (void)value;
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
}

TEST_P(FutureOnIo, ATaskMayLeaveAndTheWorkGoesOn) {
  run([&](TaskGroup&) -> Task<> {
    Promise<std::unique_ptr<int>> promise;
    Future<std::unique_ptr<int>> future = promise.future();
    {
      const CancelScope scope(io(), 1ms);
      auto late = co_await std::move(future).result(io());
      EXPECT_TRUE(timed_out(late));
    }
    {
      CancelScope scope(io());
      scope.cancel();
      auto left = co_await std::move(future).result(io());
      EXPECT_TRUE(cancelled(left));
    }
    EXPECT_FALSE(future.done());
    promise.set_value(std::make_unique<int>(4));
    auto value = co_await std::move(future).result(io());
    EXPECT_EQ(**value, 4);
  });
}

TEST_P(FutureOnIo, CompletionsAreAwaited) {
  auto all = promises(3);
  std::vector<int> order;
  run([&](TaskGroup&) -> Task<> {
    Completions<int> completions(futures_of(all));
    for (const int next : {2, 0, 1}) {
      std::jthread setter([&, next] { all[static_cast<std::size_t>(next)].set_value(next); });
      auto done = co_await completions.next(io());
      order.push_back(done->result().value());
    }
    auto end = co_await completions.next(io());
    EXPECT_EQ(end.error(), Errc::end_of_file);
  });
  EXPECT_EQ(order, (std::vector{2, 0, 1}));
}

POLYIO_ON_EVERY_MODEL(FutureOnIo);

// Setters, cancels, waits and callbacks that meet: exactly one ends it, and all see the same.
TEST(FutureRace, OneOutcomeSeenByAll) {
  for (int round = 0; round < 500; ++round) {
    Promise<int> promise;
    std::atomic<int> ended{0}, calls{0};
    std::array<int, 2> seen{};
    {
      std::latch start(4);
      std::vector<std::jthread> threads;
      threads.emplace_back([&] {
        start.arrive_and_wait();
        ended += promise.set_value(1);
      });
      threads.emplace_back([&, future = promise.future()] {
        start.arrive_and_wait();
        ended += future.cancel();
      });
      for (std::size_t i : {0, 1}) {
        threads.emplace_back([&, i, future = promise.future()] {
          start.arrive_and_wait();
          future.on_done([&](const Future<int>&) { ++calls; });
          seen[i] = future.result().value_or(-1);
        });
      }
    }
    ASSERT_EQ(ended, 1);
    ASSERT_EQ(calls, 2);
    ASSERT_EQ(seen[0], seen[1]);
    ASSERT_EQ(promise.future().cancelled(), seen[0] == -1);
  }
}

}  // namespace
}  // namespace polyio
