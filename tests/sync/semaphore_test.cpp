// Semaphore: never more inside than permits, no permit lost, first come, first served.
#include <algorithm>
#include <atomic>
#include <polyio/sync/event.hpp>
#include <polyio/sync/semaphore.hpp>

#include "fixture.hpp"

namespace polyio {
namespace {

class SemaphoreTest : public SyncTest {};
INSTANTIATE_TEST_SUITE_P(Models, SemaphoreTest, sync_models(), sync_model_name);

// Counts who is inside; the fifth opens the door, so five must be able to be inside at once.
struct Room {
  Semaphore semaphore{5};
  Event five;
  std::atomic<int> inside = 0, peak = 0;
  void come_in() {
    const int now = ++inside;
    int seen = peak;
    while (now > seen && !peak.compare_exchange_weak(seen, now)) {
    }
    if (now == 5) five.set();
  }
  Task<> visit(Io& io) {
    auto acquired = co_await semaphore.acquire(io);
    EXPECT_TRUE(acquired);
    come_in();
    auto set = co_await five.wait(io);
    EXPECT_TRUE(set);
    auto yielded = co_await io.yield();
    EXPECT_TRUE(yielded);
    --inside;
    semaphore.release();
  }
  void visit() {
    semaphore.acquire();
    come_in();
    five.wait();
    --inside;
    semaphore.release();
  }
  void expect_peak_of_five() const {
    EXPECT_EQ(peak, 5);
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(semaphore.available(), 5u);
  }
};

TEST_P(SemaphoreTest, PeakOfTwentyTasksIsFive) {
  Room room;
  auto task = [&](Io& io, int) { return room.visit(io); };
  run_tasks(20, task);
  room.expect_peak_of_five();
}

TEST_P(SemaphoreTest, PeakOfTasksOnTwoIosIsFive) {
  Room room;
  auto task = [&](Io& io, int) { return room.visit(io); };
  run_ios(2, 10, task);
  room.expect_peak_of_five();
}

TEST_P(SemaphoreTest, PeakOfTasksAndThreadsIsFive) {
  Room room;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 10; ++i) threads.emplace_back([&] { room.visit(); });
    auto task = [&](Io& io, int) { return room.visit(io); };
    run_tasks(10, task);
  }
  room.expect_peak_of_five();
}

TEST(SemaphoreOfThreads, PeakOfTwentyThreadsIsFive) {
  Room room;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 20; ++i) threads.emplace_back([&] { room.visit(); });
  }
  room.expect_peak_of_five();
}

TEST_P(SemaphoreTest, FirstComeFirstServedAndSeveralAtOnce) {
  Semaphore semaphore(0);
  auto io = make_io();
  std::vector<int> came, served;
  auto waiter = [&](int number) -> Task<> {
    came.push_back(number);
    auto acquired = co_await semaphore.acquire(*io);
    EXPECT_TRUE(acquired);
    served.push_back(number);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 6; ++i) (void)group.spawn(waiter, i);
    co_await until(*io, [&] { return came.size() == 6; });
    for (std::size_t n : {1u, 2u, 3u}) {
      const std::size_t then = served.size() + n;
      semaphore.release(n);
      EXPECT_FALSE(semaphore.try_acquire()) << "the permits are those of the waiting";
      co_await until(*io, [&] { return served.size() == then; });
      // Which of those released together runs first is the model's affair.
      auto first = std::vector(came.begin(), came.begin() + std::ptrdiff_t(then));
      auto those = served;
      std::ranges::sort(first);
      std::ranges::sort(those);
      EXPECT_EQ(first, those);
    }
  };
  io->run(with_task_group(*io, body));
  semaphore.release(2);
  EXPECT_EQ(semaphore.available(), 2u);
}

TEST_P(SemaphoreTest, PingPongBetweenTwoIos) {
  Semaphore ping(1), pong(0);
  int ball = 0;  // whoever has the permit has the ball: TSan looks
  auto task = [&](Io& io, int number) -> Task<> {
    for (int i = 0; i < 2000; ++i) {
      auto acquired = co_await (number == 0 ? ping : pong).acquire(io);
      EXPECT_TRUE(acquired);
      EXPECT_EQ(ball++ % 2, number);
      (number == 0 ? pong : ping).release();
    }
  };
  run_ios(2, 1, task);
  EXPECT_EQ(ball, 4000);
}

TEST_P(SemaphoreTest, PingPongBetweenATaskAndAThread) {
  Semaphore ping(1), pong(0);
  std::jthread thread([&] {
    for (int i = 0; i < 2000; ++i) {
      ping.acquire();
      pong.release();
    }
  });
  auto task = [&](Io& io, int) -> Task<> {
    for (int i = 0; i < 2000; ++i) {
      auto acquired = co_await pong.acquire(io);
      EXPECT_TRUE(acquired);
      ping.release();
    }
  };
  run_tasks(1, task);
}

// Deadlines all over the time in which permits come: every permit is either used or still there.
TEST_P(SemaphoreTest, NoPermitIsLostToDeadlines) {
  constexpr int permits = 400;
  Semaphore semaphore(0);
  std::atomic<int> acquired = 0;
  std::jthread releaser([&] {
    for (int i = 0; i < permits; ++i) {
      semaphore.release();
      std::this_thread::yield();
    }
  });
  auto task = [&](Io& io, int number) -> Task<> {
    for (int i = 0; i < 40; ++i) {
      CancelScope scope(io, std::chrono::microseconds((number * 7 + i * 13) % 200));
      auto got = co_await semaphore.acquire(io);
      acquired += got.has_value();
      EXPECT_TRUE(got || failed_with(got, std::errc::timed_out));
    }
  };
  run_ios(2, 8, task);
  releaser.join();
  EXPECT_EQ(static_cast<std::size_t>(acquired) + semaphore.available(), std::size_t{permits});
}

// A task that left with a wake-up on its way waits for the next thing properly.
TEST_P(SemaphoreTest, ALateWakeUpEndsNoOtherWait) {
  Semaphore first(0), second(0);
  std::atomic<bool> may_go = false;
  std::jthread thread([&] {
    for (int i = 0; i < 200; ++i) {
      first.release();
      may_go = true;
      second.release();
    }
  });
  int taken = 0;
  auto task = [&](Io& io, int) -> Task<> {
    for (int i = 0; i < 200; ++i) {
      auto one = co_await first.acquire(io);
      EXPECT_TRUE(one);
      EXPECT_TRUE(may_go || i == 0);
      auto two = co_await second.acquire(io);
      EXPECT_TRUE(two);
      ++taken;
    }
  };
  run_tasks(1, task);
  EXPECT_EQ(taken, 200);
  EXPECT_EQ(first.available() + second.available(), 0u);
}

TEST(SemaphoreOfThreads, TryAndUntil) {
  Semaphore semaphore(1);
  EXPECT_TRUE(semaphore.try_acquire());
  EXPECT_FALSE(semaphore.try_acquire());
  const TimePoint before = monotonic_now();
  auto acquired = semaphore.acquire(before + 2ms);
  EXPECT_TRUE(failed_with(acquired, std::errc::timed_out));
  EXPECT_GE(monotonic_now(), before + 2ms);
  semaphore.release(3);
  EXPECT_EQ(semaphore.available(), 3u);
  EXPECT_TRUE(semaphore.acquire(TimePoint::min()));
  semaphore.acquire();
  EXPECT_EQ(semaphore.available(), 1u);
}

}  // namespace
}  // namespace polyio
