// Io: jobs, posts, parks and sleeps, on one model: what needs no socket. The contract suite
// (tests/drivers) runs the rest on every model.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/io.hpp>
#include <polyio/io/task_group.hpp>
#include <stdexcept>
#include <thread>

namespace polyio {
namespace {

using namespace std::chrono_literals;

class IoTest : public testing::Test {
 protected:
  void run(const std::function<Task<>(TaskGroup&)>& body) {
    io.run(with_task_group(io, body));
    EXPECT_EQ(io.jobs(), 0u);
    EXPECT_EQ(io.timers(), 0u);
  }
  Io io{*make_driver("epoll")};
};

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST_F(IoTest, RunEndsWithMainAndRethrows) {
  bool ran = false;
  auto main = [&]() -> Task<> {
    ran = Io::of_this_thread() == &io;
    co_return;
  };
  io.run(main());
  EXPECT_TRUE(ran);
  EXPECT_EQ(Io::of_this_thread(), nullptr);
  auto fails = [&]() -> Task<> {
    (void)co_await io.yield();
    throw std::runtime_error("on purpose");
  };
  EXPECT_THROW(io.run(fails()), std::runtime_error);
  io.run(main());  // and can run again
}

// The kernel counts how often a thread gave up its core: a wait that spins does not.
TEST_F(IoTest, SpinsInsteadOfSleeping) {
  const auto given_up = [] {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  };
  const auto switches = [&] {
    const auto before = given_up();
    run([&](TaskGroup&) -> Task<> {
      auto slept = co_await io.sleep(3ms);
      EXPECT_TRUE(slept);
    });
    return given_up() - before;
  };
  EXPECT_GT(switches(), 0);
  io.set_spin(20s);
  EXPECT_EQ(switches(), 0);
  io.set_spin(1us);  // over before the timer is: it sleeps then, and at once from now on
  EXPECT_GT(switches(), 0);
  EXPECT_GT(switches(), 0);
}

TEST_F(IoTest, IsRousedFromASpin) {
  io.set_spin(20s);
  std::atomic<bool> parked{false};
  bool posted = false;
  Job* job = nullptr;
  std::thread other;
  run([&](TaskGroup&) -> Task<> {
    job = &io.current();
    other = std::thread([&] {
      while (!parked.load()) std::this_thread::yield();
      io.post([&] {
        posted = true;
        io.unpark(*job);
      });
    });
    parked.store(true);
    auto woken = co_await io.park();
    EXPECT_TRUE(woken);
  });
  other.join();
  EXPECT_TRUE(posted);
}

// Row I1 of the mission: many sleeps side by side take as long as one, on one thread.
TEST_F(IoTest, AThousandSleepsOnOneThread) {
  const std::ptrdiff_t threads = threads_of_this_process();
  std::vector<int> woken;
  auto sleeper = [&](int number) -> Task<> {
    auto slept = co_await io.sleep(50ms + number * 10us);
    EXPECT_TRUE(slept);
    woken.push_back(number);
  };
  const TimePoint before = monotonic_now();
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 999; i >= 0; --i) {
      auto spawned = group.spawn(sleeper, i);
      EXPECT_TRUE(spawned);
    }
    (void)co_await io.yield();
    EXPECT_EQ(io.timers(), 1000u) << "all sleep at the same time";
    EXPECT_EQ(threads_of_this_process(), threads);
  };
  run(body);
  EXPECT_GE(monotonic_now() - before, 50ms);
  ASSERT_EQ(woken.size(), 1000u);
}

TEST_F(IoTest, SleepsWakeInTheOrderOfTheirDeadlines) {
  std::vector<int> woken;
  const TimePoint start = monotonic_now() + 5ms;
  auto sleeper = [&](int number) -> Task<> {
    auto slept = co_await io.sleep_until(start + number * 1us);
    EXPECT_TRUE(slept);
    woken.push_back(number);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 300; ++i) (void)group.spawn(sleeper, i * 7 % 300);
    co_return;
  };
  run(body);
  EXPECT_TRUE(std::ranges::is_sorted(woken));
  EXPECT_EQ(woken.size(), 300u);
}

TEST_F(IoTest, YieldLetsTheOthersRun) {
  std::string log;
  auto writer = [&](char letter) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      log += letter;
      (void)co_await io.yield();
    }
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (const char letter : {'a', 'b', 'c'}) (void)group.spawn(writer, letter);
    co_return;
  };
  run(body);
  EXPECT_EQ(log, "abcabcabc");
}

TEST_F(IoTest, PostsRunInOrderBetweenJobs) {
  constexpr int posts = 2000;
  std::vector<int> seen;
  int running = 0;
  auto body = [&](TaskGroup&) -> Task<> {
    std::jthread other([&] {
      for (int i = 0; i < posts; ++i) {
        io.post([&, i] {
          EXPECT_EQ(running, 0) << "never beside a job";
          EXPECT_EQ(Io::of_this_thread(), &io);
          seen.push_back(i);
        });
      }
    });
    while (seen.size() < posts) {
      running = 1;
      std::this_thread::yield();
      running = 0;
      (void)co_await io.yield();
    }
  };
  run(body);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_F(IoTest, APostThatThrowsEndsNeitherTheLoopNorTheOthers) {
  int failed = 0, ran = 0;
  io.set_work_failed([&](const std::exception_ptr& exception) {
    ++failed;
    EXPECT_THROW(std::rethrow_exception(exception), std::bad_alloc);
  });
  auto body = [&](TaskGroup&) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      io.post([] { throw std::bad_alloc(); });
      io.post([&] { ++ran; });
    }
    while (ran < 3) (void)co_await io.yield();
  };
  run(body);
  EXPECT_EQ(failed, 3);
}

TEST_F(IoTest, APostWakesASleepingLoop) {
  for (int i = 0; i < 200; ++i) {
    auto body = [&](TaskGroup&) -> Task<> {
      CancelScope scope(io);
      std::jthread other([&] { io.post([&] { scope.cancel(); }); });
      auto slept = co_await io.sleep(1h);
      EXPECT_FALSE(slept);
    };
    run(body);
  }
}

TEST_F(IoTest, AnUnparkThatCameFirstCounts) {
  auto body = [&](TaskGroup&) -> Task<> {
    io.unpark(io.current());
    io.unpark(io.current());  // one permit, however often
    auto parked = co_await io.park();
    EXPECT_TRUE(parked);
    CancelScope scope(io, 1ms);
    {
      auto awaited = co_await io.park();
      parked = std::move(awaited);
    }
    EXPECT_EQ(parked.error(), std::errc::timed_out);
  };
  run(body);
}

TEST_F(IoTest, UnparksFromManyThreads) {
  std::mutex mutex;  // held around each unpark, taken by the job before it goes
  int wanted = 0;
  auto body = [&](TaskGroup&) -> Task<> {
    Job& job = io.current();
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          const std::lock_guard lock(mutex);
          ++wanted;
          io.unpark(job);
        }
      });
    }
    for (int seen = 0; seen < 2000;) {
      auto parked = co_await io.park();
      EXPECT_TRUE(parked);
      const std::lock_guard lock(mutex);
      seen = wanted;
    }
  };
  run(body);
}

// A job that ends with an unpark on its way does not leave it behind.
TEST_F(IoTest, EndsWithAnUnparkOnItsWay) {
  for (int i = 0; i < 300; ++i) {
    std::mutex mutex;
    Job* job = nullptr;
    auto body = [&](TaskGroup&) -> Task<> {
      job = &io.current();
      std::jthread other([&] {
        const std::lock_guard lock(mutex);
        if (job) io.unpark(*job);
      });
      const std::lock_guard lock(mutex);
      job = nullptr;
      co_return;
    };
    io.run(with_task_group(io, body));
  }
}

// A job whose operations always end at once lets the others run now and then.
TEST_F(IoTest, JobsThatNeverWaitDoNotStarveTheRest) {
  bool other_ran = false;
  auto body = [&](TaskGroup& group) -> Task<> {
    auto other = [&]() -> Task<> {
      other_ran = true;
      co_return;
    };
    (void)group.spawn(other);
    for (int i = 0; i < 1000 && !other_ran; ++i) {
      io.unpark(io.current());
      (void)co_await io.park();
      if (i % 100 == 99) (void)co_await io.yield();
    }
    EXPECT_TRUE(other_ran);
  };
  run(body);
}

}  // namespace
}  // namespace polyio
