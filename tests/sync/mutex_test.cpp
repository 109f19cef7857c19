// Mutex: exclusion, fairness, and a cancellation that never loses it.
#include <atomic>
#include <polyio/base/random.hpp>
#include <polyio/sync/mutex.hpp>
#include <polyio/sync/semaphore.hpp>

#include "fixture.hpp"

namespace polyio {
namespace {

class MutexTest : public SyncTest {};
INSTANTIATE_TEST_SUITE_P(Models, MutexTest, sync_models(), sync_model_name);

TEST_P(MutexTest, OneOwnerAtATimeAmongTasksOfOneIo) {
  Mutex mutex;
  int counter = 0, inside = 0;
  auto task = [&](Io& io, int) -> Task<> {
    for (int i = 0; i < 50; ++i) {
      auto locked = co_await mutex.hold(io);
      EXPECT_TRUE(locked);
      EXPECT_EQ(++inside, 1);
      const int seen = counter;
      auto yielded = co_await io.yield();
      EXPECT_TRUE(yielded);
      counter = seen + 1;
      --inside;
    }
  };
  run_tasks(20, task);
  EXPECT_EQ(counter, 20 * 50);
}

TEST_P(MutexTest, OneOwnerAtATimeAmongTwoIosAndThreads) {
  Mutex mutex;
  int counter = 0;  // guarded by the mutex alone: TSan looks
  {
    std::vector<std::jthread> threads;
    for (int n = 0; n < 2; ++n) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          auto locked = mutex.hold();
          ++counter;
        }
      });
    }
    auto task = [&](Io& io, int) -> Task<> {
      for (int i = 0; i < 200; ++i) {
        auto locked = co_await mutex.hold(io);
        EXPECT_TRUE(locked);
        ++counter;
      }
    };
    run_ios(2, 5, task);
  }
  EXPECT_EQ(counter, 2 * 500 + 2 * 5 * 200);
}

TEST_P(MutexTest, FirstComeFirstServed) {
  Mutex mutex;
  auto io = make_io();
  std::vector<int> came, served;
  auto waiter = [&](int number) -> Task<> {
    came.push_back(number);  // no other task runs between this and the wait
    auto locked = co_await mutex.hold(*io);
    served.push_back(number);
    auto yielded = co_await io->yield();
    EXPECT_TRUE(yielded);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    auto locked = co_await mutex.hold(*io);
    for (int i = 0; i < 10; ++i) (void)group.spawn(waiter, i);
    co_await until(*io, [&] { return came.size() == 10; });
    EXPECT_TRUE(served.empty());
    locked->unlock();
    EXPECT_FALSE(mutex.try_hold()) << "handed to the first of the line, never free in between";
  };
  io->run(with_task_group(*io, body));
  EXPECT_EQ(served, came);
}

TEST_P(MutexTest, AThreadThatAlwaysTakesItStarvesNobody) {
  Mutex mutex;
  std::atomic<bool> done = false;
  std::jthread greedy([&] {
    while (!done) auto locked = mutex.hold();
  });
  auto task = [&](Io& io, int) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      auto locked = co_await mutex.hold(io);
    }
  };
  run_tasks(1, task);
  done = true;
}

TEST_P(MutexTest, ACancelledScopeGetsNothing) {
  Mutex mutex;
  auto task = [&](Io& io, int) -> Task<> {
    CancelScope scope(io);
    scope.cancel();
    auto locked = co_await mutex.hold(io);
    EXPECT_TRUE(failed_with(locked, std::errc::operation_canceled));
  };
  run_tasks(1, task);
  EXPECT_TRUE(mutex.try_hold());
}

TEST_P(MutexTest, ADeadlineEndsTheWait) {
  Mutex mutex;
  auto held = mutex.hold();
  auto task = [&](Io& io, int) -> Task<> {
    CancelScope scope(io, 2ms);
    auto locked = co_await mutex.hold(io);
    EXPECT_TRUE(failed_with(locked, std::errc::timed_out));
  };
  run_tasks(3, task);
  held->unlock();
  EXPECT_TRUE(mutex.try_hold()) << "those who left are not handed it";
}

TEST_P(MutexTest, ACancelledWaiterLeavesTheLine) {
  Mutex mutex;
  auto io = make_io();
  CancelScope* second = nullptr;
  std::vector<int> came, served, refused;
  auto waiter = [&](int number) -> Task<> {
    CancelScope scope(*io);
    if (number == 1) second = &scope;
    came.push_back(number);
    auto locked = co_await mutex.hold(*io);
    (locked ? served : refused).push_back(number);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    auto locked = co_await mutex.hold(*io);
    for (int i = 0; i < 3; ++i) {
      (void)group.spawn(waiter, i);
      co_await until(*io, [&] { return came.size() == std::size_t(i) + 1; });
    }
    second->cancel();
    co_await until(*io, [&] { return !refused.empty(); });
    locked->unlock();
  };
  io->run(with_task_group(*io, body));
  EXPECT_EQ(refused, std::vector{1});
  EXPECT_EQ(served, (std::vector{0, 2}));
}

// One task waits; another unlocks and cancels before it runs again.
void unlock_and_cancel(Io& io, bool unlock_first) {
  Mutex mutex;
  CancelScope* waiting = nullptr;
  bool got_it = false;
  auto waiter = [&]() -> Task<> {
    CancelScope scope(io);
    waiting = &scope;
    auto locked = co_await mutex.hold(io);
    got_it = locked.has_value();
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    auto locked = co_await mutex.hold(io);
    (void)group.spawn(waiter);
    co_await until(io, [&] { return waiting != nullptr; });
    if (unlock_first) locked->unlock();
    waiting->cancel();
    if (!unlock_first) locked->unlock();
  };
  io.run(with_task_group(io, body));
  EXPECT_TRUE(mutex.try_hold());
  // Unlocked in the same turn it is the waiter's, cancelled or not: a grant is never passed over.
  EXPECT_TRUE(got_it);
}

TEST_P(MutexTest, AGrantThatCameFirstWins) { unlock_and_cancel(*make_io(), true); }
TEST_P(MutexTest, AGrantBeforeTheWaiterRanWins) { unlock_and_cancel(*make_io(), false); }

TEST_P(MutexTest, GrantAndCancellationAtTheSameTime) {
  Mutex mutex;
  Semaphore held(0), over(0);
  constexpr int rounds = 500;
  std::jthread holder([&] {
    Random random(1);
    for (int i = 0; i < rounds; ++i) {
      auto locked = mutex.hold();
      held.release();
      for (std::atomic spin = random.below(2000); spin > 0;) --spin;
      locked->unlock();
      over.acquire();
    }
  });
  auto io = make_io();
  int got_it = 0, refused = 0;
  CancelScope* waiting = nullptr;
  auto waiter = [&]() -> Task<> {
    CancelScope scope(*io);
    waiting = &scope;
    auto locked = co_await mutex.hold(*io);
    ++(locked ? got_it : refused);
    waiting = nullptr;
  };
  auto canceller = [&](std::uint64_t turns) -> Task<> {
    for (; turns > 0; --turns) (void)co_await io->yield();
    if (waiting) waiting->cancel();
  };
  auto main = [&]() -> Task<> {
    Random random(2);
    for (int i = 0; i < rounds; ++i) {
      (void)co_await held.acquire(*io);
      auto round = [&](TaskGroup& group) -> Task<> {
        (void)group.spawn(waiter);
        (void)group.spawn(canceller, random.below(4));
        co_return;
      };
      co_await with_task_group(*io, round);
      over.release();
    }
  };
  io->run(main());
  EXPECT_EQ(got_it + refused, rounds);
  EXPECT_TRUE(mutex.hold());
}

TEST(MutexOfThreads, TimesOutAndCanBeHadLater) {
  Mutex mutex;
  auto held = mutex.hold();
  const TimePoint before = monotonic_now();
  auto locked = mutex.hold(before + 3ms);
  EXPECT_TRUE(failed_with(locked, std::errc::timed_out));
  EXPECT_GE(monotonic_now(), before + 3ms);
  EXPECT_FALSE(mutex.try_hold());
  held->unlock();
  EXPECT_TRUE(mutex.hold(monotonic_now() + 1h));
  EXPECT_TRUE(mutex.hold(TimePoint::min())) << "free: no time is needed";
}

TEST(MutexOfThreads, AHoldMovesBetweenThreads) {
  Mutex mutex;
  auto held = mutex.hold();
  std::jthread([owned = std::move(*held)]() mutable { owned.unlock(); }).join();
  EXPECT_FALSE(*held);
  EXPECT_TRUE(mutex.try_hold());
}

}  // namespace
}  // namespace polyio
