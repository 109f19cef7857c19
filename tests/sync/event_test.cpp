// Event: nobody before it is set, everybody after.
#include <atomic>
#include <polyio/sync/event.hpp>
#include <polyio/sync/semaphore.hpp>

#include "fixture.hpp"

namespace polyio {
namespace {

class EventTest : public SyncTest {};
INSTANTIATE_TEST_SUITE_P(Models, EventTest, sync_models(), sync_model_name);

TEST_P(EventTest, NoneBeforeSetAndAllAfter) {
  Event green;
  auto io = make_io();
  int waiting = 0, passed = 0;
  auto car = [&]() -> Task<> {
    ++waiting;
    auto set = co_await green.wait(*io);
    EXPECT_TRUE(set);
    ++passed;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 20; ++i) (void)group.spawn(car);
    co_await until(*io, [&] { return waiting == 20; });
    EXPECT_EQ(passed, 0);
    green.set();
    co_await until(*io, [&] { return passed == 20; });
    (void)group.spawn(car);  // set as it is, nobody waits
    co_await until(*io, [&] { return passed == 21; });
    green.clear();
    (void)group.spawn(car);
    co_await until(*io, [&] { return waiting == 22; });
    EXPECT_EQ(passed, 21);
    green.set();
    green.clear();  // who waited goes all the same
  };
  io->run(with_task_group(*io, body));
  EXPECT_EQ(passed, 22);
  EXPECT_FALSE(green.is_set());
}

TEST_P(EventTest, TasksOfTwoIosAndThreads) {
  Event green;
  std::atomic<int> passed = 0;
  Semaphore here(0);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      here.release();
      green.wait();
      ++passed;
    });
  }
  threads.emplace_back([&] {
    auto car = [&](Io& io, int) -> Task<> {
      here.release();
      auto set = co_await green.wait(io);
      EXPECT_TRUE(set);
      ++passed;
    };
    run_ios(2, 10, car);
  });
  for (int i = 0; i < 25; ++i) here.acquire();
  EXPECT_EQ(passed, 0);
  green.set();
  threads.clear();
  EXPECT_EQ(passed, 25);
}

TEST_P(EventTest, CancelledBeforeAndWhileWaiting) {
  Event never_set;
  auto task = [&](Io& io, int) -> Task<> {
    CancelScope scope(io, 1ms);
    auto set = co_await never_set.wait(io);
    EXPECT_TRUE(failed_with(set, std::errc::timed_out));
    {
      auto awaited = co_await never_set.wait(io);
      set = std::move(awaited);
    }
    EXPECT_FALSE(set) << "the deadline has passed already";
    CancelScope inner(io);
    inner.cancel();
    {
      auto awaited = co_await never_set.wait(io);
      set = std::move(awaited);
    }
    EXPECT_FALSE(set);
  };
  run_tasks(10, task);
}

// A light that goes on and off, seen from another Io each time: no wake-up is lost.
TEST_P(EventTest, ManyTimesBetweenTwoIos) {
  constexpr int rounds = 1000;
  Event there, back;
  auto task = [&](Io& io, int number) -> Task<> {
    Event& mine = number == 0 ? there : back;
    Event& other = number == 0 ? back : there;
    for (int i = 0; i < rounds; ++i) {
      if (number == 0) other.set();
      auto set = co_await mine.wait(io);
      EXPECT_TRUE(set);
      mine.clear();
      if (number == 1) other.set();
    }
  };
  run_ios(2, 1, task);
}

// The waiter owns the event and ends it as soon as it goes: set() may not touch it after that.
TEST_P(EventTest, MayBeDestroyedByWhoItWakes) {
  constexpr int rounds = 300;
  std::atomic<Event*> shared = nullptr;
  std::jthread setter([&] {
    for (int i = 0; i < rounds; ++i) {
      Event* event;
      while (!(event = shared.exchange(nullptr))) std::this_thread::yield();
      event->set();
    }
  });
  auto task = [&](Io& io, int) -> Task<> {
    for (int i = 0; i < rounds; ++i) {
      auto event = std::make_unique<Event>();
      shared = event.get();
      auto set = co_await event->wait(io);
      EXPECT_TRUE(set);
    }
  };
  run_tasks(1, task);
}

TEST(EventOfThreads, WaitUntil) {
  Event event;
  const TimePoint before = monotonic_now();
  auto set = event.wait(before + 2ms);
  EXPECT_TRUE(failed_with(set, std::errc::timed_out));
  EXPECT_GE(monotonic_now(), before + 2ms);
  event.set();
  EXPECT_TRUE(event.is_set());
  EXPECT_TRUE(event.wait(TimePoint::min()));
}

// The thread's form in a task: the loop would sleep, and with it the task that sets the event.
TEST_P(EventTest, AWaitThatWouldStopTheOtherTasksOfALoopIsRefused) {
  Event event;
  auto io = make_io();
  Result<> waited, in_time, alone;
  auto set = [&]() -> Task<> {
    event.set();
    co_return;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(set);
    waited = event.wait();
    in_time = event.wait(io->now());
    co_return;
  };
  io->run(with_task_group(*io, body));
  EXPECT_TRUE(test::failed_with(waited, std::errc::resource_deadlock_would_occur));
  EXPECT_TRUE(test::timed_out(in_time));
  event.clear();
  std::jthread later;
  auto only = [&]() -> Task<> {  // it stops no other
    later = std::jthread([&] { event.set(); });
    alone = event.wait();
    co_return;
  };
  io->run(only());
  EXPECT_TRUE(alone);
}

}  // namespace
}  // namespace polyio
