#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <latch>
#include <polyio/process/thread.hpp>
#include <stdexcept>

#include "fixture.hpp"

namespace polyio::process {
namespace {

TEST(Thread, RunsAFunctionWithItsArguments) {
  std::atomic<int> sum{0};
  Thread thread([](std::atomic<int>& into, int a, int b) { into = a + b; }, std::ref(sum), 1, 2);
  EXPECT_FALSE(thread.is_alive());
  ASSERT_TRUE(thread.start());
  ASSERT_TRUE(thread.join(soon()));
  EXPECT_FALSE(thread.is_alive());
  EXPECT_EQ(sum, 3);
}

// The tutorial's two numbers, changed by a thread each: without join() they may be anything yet.
TEST(Thread, AfterJoinBothNumbersAre666) {
  for (int i = 0; i < 100; ++i) {
    int first = 0, second = 0;
    Thread a([&] { first = 666; }), b([&] { second = 666; });
    ASSERT_TRUE(a.start());
    ASSERT_TRUE(b.start());
    ASSERT_TRUE(a.join(soon()));
    ASSERT_TRUE(b.join(soon()));
    EXPECT_EQ(first, 666);
    EXPECT_EQ(second, 666);
  }
  EXPECT_EQ(os::count_threads(), 1u);
}

class Counter : public Thread {
 public:
  Counter() : Thread(ThreadOptions{.name = "counter"}) {}
  int count = 0;

 protected:
  void run() override { count = 5; }
};

TEST(Thread, ASubclassRunsItsRun) {
  Counter counter;
  ASSERT_TRUE(counter.start());
  ASSERT_TRUE(counter.join(soon()));
  EXPECT_EQ(counter.count, 5);
  EXPECT_EQ(counter.start().error(), Errc::already_started);
}

TEST(Thread, NameAndIdAreThoseOfTheKernel) {
  std::latch seen(1), done(1);
  ThreadInfo inside{};
  std::string comm;
  Thread thread(ThreadOptions{.name = "a name that is long", .daemon = true}, [&] {
    inside = current_thread();
    std::getline(std::ifstream("/proc/thread-self/comm"), comm);
    seen.count_down();
    done.wait();
  });
  ASSERT_TRUE(thread.start());
  seen.wait();
  EXPECT_TRUE(thread.is_alive());
  EXPECT_EQ(inside, (ThreadInfo{"a name that is long", thread.native_id(), true}));
  EXPECT_NE(thread.native_id(), ::getpid());
  EXPECT_EQ(comm, "a name that is ");
  EXPECT_EQ(active_count(), 2u);
  const auto all = enumerate();
  EXPECT_EQ(all[0], (ThreadInfo{"MainThread", ::getpid(), false}));
  EXPECT_EQ(all[1], inside);
  EXPECT_EQ(thread.set_daemon(false).error(), Errc::too_late);
  EXPECT_EQ(thread.join(monotonic_now()).error(), std::errc::timed_out);
  done.count_down();
  ASSERT_TRUE(thread.join(soon()));
  ASSERT_TRUE(thread.join(soon()));
  EXPECT_EQ(active_count(), 1u);
  EXPECT_EQ(current_thread().name, "MainThread");
}

TEST(Thread, WhatMakesNoSenseIsAnErrorThatSaysSo) {
  Thread* self = nullptr;
  Result<> inside;
  Thread thread([&] { inside = self->join(); });
  self = &thread;
  EXPECT_EQ(thread.join().error(), Errc::not_started);
  ASSERT_TRUE(thread.start());
  EXPECT_EQ(thread.start().error(), Errc::already_started);
  ASSERT_TRUE(thread.join(soon()));
  EXPECT_EQ(inside.error(), Errc::joins_itself);
}

TEST(Thread, AnExceptionEndsTheThreadAndNotTheProgram) {
  testing::internal::CaptureStderr();
  Thread thread(ThreadOptions{.name = "unlucky"}, [] { throw std::runtime_error("no luck"); });
  const bool joined = thread.start() && thread.join(soon());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "unlucky: no luck\n");
  EXPECT_TRUE(joined);
}

TEST(Thread, AtTheProgramsEndOthersAreAwaitedAndDaemonsAreNot) {
  for (const bool daemon : {false, true}) {
    auto pipe = make_pipe().value();
    Process process = Process::spawned(
        {},
        [](Connection connection, bool is_daemon) {
          static Connection* const kept = new Connection(std::move(connection));
          Thread thread(ThreadOptions{.daemon = is_daemon}, [] {
            (void)kept->send(0);
            (void)kept->receive<int>();
            (void)kept->send(1);
          });
          return thread.start() ? 3 : 1;
        },
        std::move(pipe.second), daemon);
    ASSERT_TRUE(process.start());
    if (!daemon) {
      EXPECT_EQ(pipe.first.receive<int>(soon()), 0);
      EXPECT_EQ(process.join(monotonic_now() + 20ms).error(), std::errc::timed_out);
      ASSERT_TRUE(pipe.first.send(0));
      EXPECT_EQ(pipe.first.receive<int>(soon()), 1);
    }
    ASSERT_TRUE(process.join(soon()));
    EXPECT_EQ(process.exitcode(), 3);
  }
}

}  // namespace
}  // namespace polyio::process
