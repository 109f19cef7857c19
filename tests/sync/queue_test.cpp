// Queue: order, bound, end, and no value lost or doubled, whoever is cancelled when.
#include <atomic>
#include <memory>
#include <polyio/sync/event.hpp>
#include <polyio/sync/queue.hpp>

#include "fixture.hpp"

namespace polyio {
namespace {

class QueueTest : public SyncTest {};
INSTANTIATE_TEST_SUITE_P(Models, QueueTest, sync_models(), sync_model_name);

TEST_P(QueueTest, InOrderAndNeverMoreThanItsCapacity) {
  Queue<int> queue(3);
  auto io = make_io();
  int pushed = 0, popped = 0;
  auto producer = [&]() -> Task<> {
    for (int i = 0; i < 200; ++i) {
      auto ok = co_await queue.put(*io, i);
      EXPECT_TRUE(ok);
      ++pushed;
      EXPECT_LE(queue.size(), 3u);
    }
    queue.close();
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(producer);
    co_await until(*io, [&] { return queue.size() == 3; });
    for (int i = 0; i < 5; ++i) (void)co_await io->yield();
    EXPECT_EQ(pushed, 3) << "the fourth waits";
    for (;;) {
      auto value = co_await queue.get(*io);
      if (!value) {
        EXPECT_EQ(value.error(), Errc::end_of_file);
        break;
      }
      EXPECT_EQ(*value, popped++);
    }
  };
  io->run(with_task_group(*io, body));
  EXPECT_EQ(popped, 200);
}

// `producers` push their numbers, consumers sum them up; each producer's own order is kept.
struct Traffic {
  explicit Traffic(std::size_t capacity) : queue(capacity) {}
  Queue<std::unique_ptr<std::pair<int, int>>> queue;  // move-only
  std::atomic<int> count = 0;
  std::atomic<long> sum = 0;
  static constexpr int each = 200;

  void note(std::vector<int>& last, const std::pair<int, int>& value) {
    auto [producer, number] = value;
    EXPECT_LT(last[std::size_t(producer)], number);
    last[std::size_t(producer)] = number;
    ++count;
    sum += number;
  }
  Task<> produce(Io& io, int producer) {
    for (int i = 0; i < each; ++i) {
      auto pushed = co_await queue.put(io, std::make_unique<std::pair<int, int>>(producer, i));
      EXPECT_TRUE(pushed);
    }
  }
  void produce(int producer) {
    for (int i = 0; i < each; ++i) {
      EXPECT_TRUE(queue.put(std::make_unique<std::pair<int, int>>(producer, i)));
    }
  }
  Task<> consume(Io& io) {
    std::vector<int> last(16, -1);
    for (;;) {
      auto value = co_await queue.get(io);
      if (!value) co_return;
      note(last, **value);
    }
  }
  void consume() {
    std::vector<int> last(16, -1);
    while (auto value = queue.get()) note(last, **value);
  }
  void expect_all(int producers) const {
    EXPECT_EQ(count, producers * each);
    EXPECT_EQ(sum, long{producers} * each * (each - 1) / 2);
    EXPECT_EQ(queue.size(), 0u);
  }
};

TEST_P(QueueTest, BetweenTwoIosAndThreads) {
  for (std::size_t capacity : {1u, 4u, 1000u}) {
    Traffic traffic(capacity);
    {
      std::jthread tasks([&] {
        auto consumer = [&](Io& io, int) { return traffic.consume(io); };
        run_ios(2, 2, consumer);
      });
      std::jthread thread([&] { traffic.consume(); });
      std::jthread producing([&] { traffic.produce(8); });
      auto producer = [&](Io& io, int number) { return traffic.produce(io, number); };
      run_ios(2, 4, producer);
      producing.join();
      traffic.queue.close();
    }
    traffic.expect_all(9);
  }
}

TEST_P(QueueTest, CloseEndsWaitingPushesAndPops) {
  Queue<std::unique_ptr<int>> full(1), empty(1);
  auto io = make_io();
  int waiting = 0, refused = 0, ended = 0;
  auto pusher = [&]() -> Task<> {
    ++waiting;
    auto pushed = co_await full.put(*io, std::make_unique<int>(2));
    refused += failed_with(pushed, std::errc::broken_pipe);
  };
  auto popper = [&]() -> Task<> {
    ++waiting;
    auto popped = co_await empty.get(*io);
    if (!popped && popped.error() == Errc::end_of_file) ++ended;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    auto first = co_await full.put(*io, std::make_unique<int>(1));
    EXPECT_TRUE(first);
    for (int i = 0; i < 3; ++i) (void)group.spawn(pusher);
    for (int i = 0; i < 3; ++i) (void)group.spawn(popper);
    co_await until(*io, [&] { return waiting == 6; });
    full.close();
    empty.close();
    full.close();
  };
  io->run(with_task_group(*io, body));
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(**full.get(), 1) << "what is inside can still be got";
  EXPECT_EQ(full.get().error(), Errc::end_of_file);
  EXPECT_TRUE(failed_with(full.put(nullptr), std::errc::broken_pipe));
}

// A popper is given a value and cancelled before it runs: the value is answered, not lost.
TEST_P(QueueTest, AValueThatCameFirstWins) {
  for (bool push_first : {true, false}) {
    Queue<int> queue(1);
    auto io = make_io();
    CancelScope* waiting = nullptr;
    int got = 0;
    auto popper = [&]() -> Task<> {
      CancelScope scope(*io);
      waiting = &scope;
      auto value = co_await queue.get(*io);
      got = value ? *value : 0;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(popper);
      co_await until(*io, [&] { return waiting != nullptr; });
      if (!push_first) waiting->cancel();
      EXPECT_TRUE(queue.try_put(7));
      if (push_first) waiting->cancel();
    };
    io->run(with_task_group(*io, body));
    EXPECT_EQ(got, 7);
    EXPECT_EQ(queue.size(), 0u);
  }
}

TEST_P(QueueTest, ACancelledPushIsNotInside) {
  Queue<int> queue(1);
  EXPECT_TRUE(queue.try_put(1));
  auto task = [&](Io& io, int) -> Task<> {
    CancelScope scope(io, 1ms);
    auto pushed = co_await queue.put(io, 2);
    EXPECT_TRUE(failed_with(pushed, std::errc::timed_out));
  };
  run_tasks(3, task);
  EXPECT_EQ(queue.try_get(), 1);
  EXPECT_TRUE(failed_with(queue.try_get(), std::errc::resource_unavailable_try_again));
}

// Consumers with deadlines all over the place: what is pushed is popped exactly once.
TEST_P(QueueTest, NoValueIsLostToDeadlines) {
  constexpr int values = 400;
  Queue<int> queue(2);
  std::atomic<long> sum = 0;
  std::jthread producer([&] {
    for (int i = 1; i <= values; ++i) EXPECT_TRUE(queue.put(i));
    queue.close();
  });
  auto task = [&](Io& io, int number) -> Task<> {
    for (int i = 0;; ++i) {
      CancelScope scope(io, std::chrono::microseconds((number * 7 + i * 13) % 150));
      auto value = co_await queue.get(io);
      if (value) sum += *value;
      if (!value && value.error() == Errc::end_of_file) co_return;
    }
  };
  run_ios(2, 4, task);
  EXPECT_EQ(sum, long{values} * (values + 1) / 2);
}

TEST(QueueOfThreads, TryNeverWaitsAndKeepsTheValue) {
  Queue<std::unique_ptr<int>> queue(2);
  EXPECT_TRUE(queue.try_put(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.try_put(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  auto pushed = queue.try_put(std::move(third));
  EXPECT_TRUE(failed_with(pushed, std::errc::resource_unavailable_try_again));
  ASSERT_TRUE(third) << "as it was";
  EXPECT_EQ(**queue.try_get(), 1);
  EXPECT_TRUE(queue.try_put(std::move(third)));
  EXPECT_FALSE(third);
  queue.close();
  third = std::make_unique<int>(4);
  EXPECT_TRUE(failed_with(queue.try_put(std::move(third)), std::errc::broken_pipe));
  EXPECT_TRUE(third);
  EXPECT_EQ(**queue.try_get(), 2);
  EXPECT_EQ(**queue.try_get(), 3);
  EXPECT_EQ(queue.try_get().error(), Errc::end_of_file);
  EXPECT_TRUE(queue.closed());
}

TEST(QueueOfThreads, Deadlines) {
  Queue<int> queue(1);
  TimePoint before = monotonic_now();
  EXPECT_TRUE(failed_with(queue.get(before + 2ms), std::errc::timed_out));
  EXPECT_GE(monotonic_now(), before + 2ms);
  EXPECT_TRUE(queue.put(1, TimePoint::min()));
  before = monotonic_now();
  EXPECT_TRUE(failed_with(queue.put(2, before + 2ms), std::errc::timed_out));
  EXPECT_GE(monotonic_now(), before + 2ms);
  EXPECT_EQ(queue.get(TimePoint::min()), 1);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.capacity(), 1u);
}

TEST(QueueOfThreads, WrapsAndGrowsInOrder) {
  Queue<int> queue(50);
  int in = 0, out = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 7 + round % 5; ++i) {
      if (queue.try_put(int{in})) ++in;
    }
    for (int i = 0; i < 6; ++i) {
      auto value = queue.try_get();
      ASSERT_TRUE(value);
      EXPECT_EQ(*value, out++);
    }
  }
  while (auto value = queue.try_get()) EXPECT_EQ(*value, out++);
  EXPECT_EQ(in, out);
}

}  // namespace
}  // namespace polyio
