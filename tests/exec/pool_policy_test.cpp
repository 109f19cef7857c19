// ThreadPoolExecutor with policy mlfq: long works give way to short ones without a hint, the
// threads that run them are demoted, and their number is bounded. That a thread has computed for
// long is read from its own clock.
#include <sched.h>
#include <unistd.h>

#include <latch>
#include <polyio/exec/thread_pool.hpp>
#include <polyio/os/thread.hpp>
#include <stdexcept>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio {
namespace {

using namespace exec_test;

Nanoseconds computed() { return os::ThreadReference::current().processor_time(); }
bool demoted() { return ::sched_getscheduler(0) == SCHED_IDLE; }

class PoolPolicyTest : public testing::Test {
 protected:
  void SetUp() override { ::alarm(120); }
  void TearDown() override {
    release = true;
    ::alarm(0);
  }
  static ThreadPoolOptions mlfq(unsigned threads, unsigned extra = 64) {
    return {.threads = threads,
            .policy = sched::Kind::mlfq,
            .quantum = Nanoseconds(1ms),
            .extra_threads = extra};
  }
  // Computes until it is released; whether it was in the background then.
  bool hog() {
    ++begun;
    while (!release) {
    }
    return demoted();
  }

  std::atomic<bool> release{false};
  std::atomic<int> begun{0};
};

// First come, first served would never come to the short one.
TEST_F(PoolPolicyTest, AShortWorkOvertakesALongOne) {
  ThreadPoolExecutor pool(mlfq(1));
  const auto long_one = pool.submit([this] { return hog(); });
  const auto short_one = pool.submit([this] {
    release = true;
    return demoted();
  });
  EXPECT_EQ(long_one.result(), true);
  EXPECT_EQ(short_one.result(), false);
}

TEST_F(PoolPolicyTest, AnyNumberOfLongOnesInFront) {
  ThreadPoolExecutor pool(mlfq(2));
  std::vector<Future<bool>> long_ones;
  for (int i = 0; i < 10; ++i) long_ones.push_back(pool.submit([this] { return hog(); }));
  EXPECT_EQ(pool.submit([] { return demoted(); }).result(), false);
  EXPECT_EQ(begun, 10);
  release = true;
  EXPECT_EQ(wait(long_ones).size(), 10u);
}

// Those in the background are bounded: the line waits then, as with fcfs.
TEST_F(PoolPolicyTest, ThreadsInTheBackgroundAreBounded) {
  ThreadPoolExecutor pool(mlfq(1, 2));
  std::vector<Future<bool>> long_ones;
  std::atomic<bool> for_long{false};
  const auto last = [&] {
    const Nanoseconds start = computed();
    ++begun;
    while (computed() - start < 50ms) {
    }
    for_long = true;
    while (!release) {
    }
    return demoted();
  };
  for (int i = 0; i < 2; ++i) long_ones.push_back(pool.submit([this] { return hog(); }));
  long_ones.push_back(pool.submit(last));
  long_ones.push_back(pool.submit([this] { return hog(); }));
  while (!for_long) std::this_thread::yield();
  EXPECT_EQ(begun, 3) << "one in the pool, two in the background";
  EXPECT_EQ(pool.threads(), 3u);
  EXPECT_EQ(pool.waiting(), 1u);
  release = true;
  EXPECT_EQ(wait(long_ones).size(), 4u);
}

// Its work done, such a thread ends: it could not be raised again.
TEST_F(PoolPolicyTest, ADemotedThreadDoesNoOtherWork) {
  ThreadPoolExecutor pool(mlfq(1));
  const auto long_one = pool.submit([this] {
    (void)hog();
    return ::gettid();
  });
  const auto short_one = pool.submit([this] {
    release = true;
    return ::gettid();
  });
  EXPECT_NE(long_one.result(), short_one.result());
  EXPECT_TRUE(test::eventually([&] { return pool.threads() == 1; }));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pool.submit([] { return demoted(); }).result(), false);
  }
}

// A quantum is of the processor's time: waiting does not use it up.
TEST_F(PoolPolicyTest, AWorkThatWaitsIsNotDemoted) {
  ThreadPoolExecutor pool(mlfq(2));
  Gate gate;
  const auto waits = pool.submit([&] {
    gate.pass();
    return demoted();
  });
  const auto long_one = pool.submit([this] { return hog(); });
  const auto short_one = pool.submit([&] { release = true; });
  EXPECT_EQ(long_one.result(), true);
  EXPECT_TRUE(short_one.result());
  gate.open();
  EXPECT_EQ(waits.result(), false);
}

// A pool that is ending does its line, too, behind works that compute for ever.
TEST_F(PoolPolicyTest, TheEndDoesNotWaitInLine) {
  std::atomic<int> done{0};
  {
    ThreadPoolExecutor pool(mlfq(1));
    for (int i = 0; i < 3; ++i) (void)pool.submit([this] { return hog(); });
    for (int i = 0; i < 3; ++i) {
      (void)pool.submit([&] {
        if (++done == 3) release = true;
      });
    }
  }
  EXPECT_EQ(done, 3);
}

TEST_F(PoolPolicyTest, AnUnusedPoolHasNoThread) {
  ThreadPoolExecutor pool(mlfq(2));
  EXPECT_EQ(pool.threads(), 0u);
  pool.shutdown();
  ThreadPoolExecutor other(mlfq(2));
  other.shutdown({.wait = false, .cancel_pending = true});
}

TEST_F(PoolPolicyTest, WorksMayWaitForWorksOfTheirPool) {
  ThreadPoolExecutor pool(mlfq(1));
  const auto outer = pool.submit([&] { return *pool.submit([] { return 1; }).result() + 1; });
  EXPECT_EQ(outer.result(), 2);
}

TEST_F(PoolPolicyTest, OthersAreRefusedByName) {
  for (const auto policy : {sched::Kind::sjf, sched::Kind::rr}) {
    try {
      ThreadPoolExecutor pool({.policy = policy});
      ADD_FAILURE() << "it was taken";
    } catch (const std::invalid_argument& error) {
      const std::string said = error.what();
      EXPECT_TRUE(said.starts_with("policy " + std::string(sched::name_of(policy)))) << said;
      EXPECT_TRUE(said.contains("mlfq")) << said;
    }
  }
}

// Works of all lengths from several threads: each is done once, whatever is demoted meanwhile.
TEST(PoolPolicyRace, EachWorkIsDoneOnce) {
  constexpr int submitters = 3, each = 300;
  std::atomic<int> ran{0}, cancelled{0};
  {
    ThreadPoolExecutor pool({.threads = 2,
                             .queue = 64,
                             .policy = sched::Kind::mlfq,
                             .quantum = Nanoseconds(100us),
                             .extra_threads = 3});
    std::vector<std::jthread> threads;
    for (int i = 0; i < submitters; ++i) {
      threads.emplace_back([&, i] {
        Random random(static_cast<std::uint64_t>(i));
        for (int n = 0; n < each; ++n) {
          const Nanoseconds span = random.below(10) == 0 ? Nanoseconds(1ms) : Nanoseconds(0);
          const auto future = pool.submit([&, span] {
            const Nanoseconds start = computed();
            while (computed() - start < span) {
            }
            ++ran;
          });
          if (random.below(5) == 0 && future.cancel()) ++cancelled;
        }
      });
    }
  }
  EXPECT_EQ(ran + cancelled, submitters * each);
}

}  // namespace
}  // namespace polyio
