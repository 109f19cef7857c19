// The contract of Python's concurrent.futures, case by case, over both pools.
#include "pool_cases.hpp"

namespace polyio {
namespace {

using namespace exec_test;

template <class On>
class ExecutorTest : public testing::Test {
 protected:
  using Held = HeldPool<On>;
  typename On::Pool pool_{On::options(2)};
};
using Both = testing::Types<OnThreads, OnProcesses>;
TYPED_TEST_SUITE(ExecutorTest, Both, );

TYPED_TEST(ExecutorTest, SubmitGivesTheResult) {
  auto& pool = this->pool_;
  EXPECT_EQ(pool.submit(add, 1, 2).result(), 3);
  const std::string text = "kept";
  EXPECT_EQ(pool.submit([](const std::string& of) { return of.size(); }, text).result(), 4u);
  EXPECT_EQ(pool.submit([](std::vector<int> v) { return v; }, std::vector{1, 2}).result(),
            (std::vector{1, 2}));
  EXPECT_TRUE(pool.submit([] {}).result());
  EXPECT_EQ(pool.try_submit(add, 2, 2)->result(), 4);
}

TYPED_TEST(ExecutorTest, AResultIsFlattened) {
  const auto half = [](int n) -> Result<int> {
    if (n % 2) return fail(ENOENT);
    return n / 2;
  };
  const Future<int> good = this->pool_.submit(half, 2), bad = this->pool_.submit(half, 1);
  EXPECT_EQ(good.result(), 1);
  EXPECT_TRUE(failed_with(bad.result(), std::errc::no_such_file_or_directory));
  EXPECT_TRUE(bad.failed() && !bad.cancelled());
  EXPECT_EQ(this->pool_.submit([]() -> Result<> { return fail(Errc::line_too_long); }).result(),
            Result<>(fail(Errc::line_too_long)));
}

TYPED_TEST(ExecutorTest, ExceptionsAreKeptAndTheWorkerGoesOn) {
  const auto failed = this->pool_.submit([]() -> int { throw std::runtime_error("broken"); });
  try {
    (void)failed.result();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "broken");
  }
  EXPECT_TRUE(*failed.exception());
  const auto untyped = this->pool_.submit([] { throw 1; });
  EXPECT_ANY_THROW((void)untyped.result());
  EXPECT_EQ(this->pool_.submit(add, 2, 2).result(), 4);
}

TYPED_TEST(ExecutorTest, FirstComeFirstServed) {
  ipc::Shared<std::atomic<int>> turn;
  std::vector<Future<int>> turns;
  {
    typename TestFixture::Held held;
    for (int i = 0; i < 5; ++i) {
      turns.push_back(held.pool.submit(
          [](const ipc::Shared<std::atomic<int>>& next) { return (*next)++; }, turn));
    }
    EXPECT_EQ(held.pool.waiting(), 5u);
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(turns[static_cast<std::size_t>(i)].result(), i);
}

TYPED_TEST(ExecutorTest, SubmitAnswersWhileTheWorkRuns) {
  typename TestFixture::Held held;
  EXPECT_TRUE(held.first.running());
  const auto next = held.pool.submit(add, 1, 1);
  EXPECT_FALSE(next.running() || next.done());
  EXPECT_TRUE(timed_out(next.result(TimePoint::min())));
}

TYPED_TEST(ExecutorTest, ACancelledWorkNeverRuns) {
  const auto run = [](const Door& of) { ++of->passed; };
  Door door;
  {
    typename TestFixture::Held held;
    const auto future = held.pool.submit(run, door);
    EXPECT_EQ(held.pool.waiting(), 1u);
    EXPECT_TRUE(future.cancel());
    EXPECT_EQ(held.pool.waiting(), 0u);
    EXPECT_TRUE(future.cancelled() && future.cancel());
    EXPECT_FALSE(held.first.cancel()) << "it has begun";
  }
  EXPECT_EQ(door->passed, 0);
}

TYPED_TEST(ExecutorTest, CallbacksAreCalledOnce) {
  std::atomic<int> called{0};
  {
    typename TestFixture::Held held;
    const auto future = held.pool.submit(add, 1, 1);
    future.on_done([](const Future<int>&) { throw std::runtime_error("harms nothing"); });
    future.on_done([&](const Future<int>& done) { called += *done.result(); });
    held.door->open = 1;
    EXPECT_EQ(future.result(), 2);
    held.pool.shutdown();
    future.on_done([&](const Future<int>&) { called += 10; });
  }
  EXPECT_EQ(called, 12);
}

TYPED_TEST(ExecutorTest, CompletionsComeAsTheyEnd) {
  typename TestFixture::Held held;
  const std::vector futures{held.first, this->pool_.submit([] {})};
  EXPECT_EQ(wait(futures, never, Until::first_done).size(), 1u);
  held.door->open = 1;
  std::vector<bool> seen;
  for (const Future<>& future : as_completed(futures)) seen.push_back(future.done());
  EXPECT_EQ(seen, (std::vector{true, true}));
}

TYPED_TEST(ExecutorTest, MapGivesTheResultsInOrder) {
  std::vector<int> squares;
  const std::vector numbers{1, 2, 3, 4, 5, 6, 7};
  for (const Result<int>& square : this->pool_.map([](int n) { return n * n; }, numbers)) {
    squares.push_back(*square);
  }
  EXPECT_EQ(squares, (std::vector{1, 4, 9, 16, 25, 36, 49}));
}

TYPED_TEST(ExecutorTest, MapThrowsWhenTheTurnComes) {
  const auto inverse = [](int n) { return n ? 12 / n : throw std::runtime_error("of zero"); };
  std::vector<int> seen;
  EXPECT_THROW(
      {
        for (const Result<int>& one : this->pool_.map(inverse, std::vector{3, 2, 0, 1})) {
          seen.push_back(*one);
        }
      },
      std::runtime_error);
  EXPECT_EQ(seen, (std::vector{4, 6}));
}

TYPED_TEST(ExecutorTest, MapSaysWhatIsLate) {
  typename TestFixture::Held held;
  for (const Result<int>& sum :
       held.pool.map([](int n) { return n; }, std::views::iota(0, 3), TimePoint::min())) {
    EXPECT_TRUE(timed_out(sum));
  }
}

TYPED_TEST(ExecutorTest, AFullLineRefusesOrWaits) {
  Door door;
  const auto count = [](const Door& of) { ++of->passed; };
  {
    typename TestFixture::Held held(2);
    const auto second = held.pool.submit(count, door);
    EXPECT_TRUE(held.pool.try_submit(count, door));
    EXPECT_TRUE(
        failed_with(held.pool.try_submit(count, door), std::errc::resource_unavailable_try_again));
    EXPECT_TRUE(second.cancel());
    EXPECT_TRUE(held.pool.try_submit(count, door)) << "a cancelled work leaves its place";
    std::atomic<bool> submitted{false};
    std::jthread waits([&] {
      held.pool.submit(count, door);
      submitted = true;
    });
    EXPECT_FALSE(submitted);
    held.door->open = 1;
    waits.join();
    EXPECT_TRUE(submitted);
  }
  EXPECT_EQ(door->passed, 3);
}

TYPED_TEST(ExecutorTest, ShutdownDoesWhatIsInLineAndTakesNoMore) {
  typename TestFixture::Held held;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(held.pool.submit(add, i, i));
  held.pool.shutdown({.wait = false});
  const auto late = held.pool.submit(add, 1, 1);
  EXPECT_TRUE(failed_with(late.result(), std::errc::broken_pipe));
  EXPECT_TRUE(failed_with(held.pool.try_submit(add, 1, 1), std::errc::broken_pipe));
  EXPECT_FALSE(futures[0].done());
  held.door->open = 1;
  held.pool.shutdown();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(futures[static_cast<std::size_t>(i)].done());
    EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(), 2 * i);
  }
  held.pool.shutdown();
}

TYPED_TEST(ExecutorTest, ShutdownCancelsWhatIsInLineIfItIsAskedTo) {
  typename TestFixture::Held held;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(held.pool.submit(add, i, i));
  held.pool.shutdown({.wait = false, .cancel_pending = true});
  for (const auto& future : futures) EXPECT_TRUE(future.cancelled());
  EXPECT_TRUE(held.first.running());
}

TYPED_TEST(ExecutorTest, ShutdownEndsTheWaitForAPlace) {
  typename TestFixture::Held held(1);
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

TYPED_TEST(ExecutorTest, ADestroyedPoolHasDoneItsWork) {
  std::vector<Future<int>> futures;
  {
    typename TypeParam::Pool pool(TypeParam::options(2));
    for (int i = 0; i < 100; ++i) futures.push_back(pool.submit(add, i, 1));
  }
  for (int i = 0; i < 100; ++i) {
    const auto& future = futures[static_cast<std::size_t>(i)];
    EXPECT_TRUE(future.done());
    EXPECT_EQ(future.result(), i + 1);
  }
}

// From several threads at once, with cancels: each work runs once or is cancelled.
TYPED_TEST(ExecutorTest, EachWorkRunsOnceOrIsCancelled) {
  constexpr int submitters = 3, each = 1'500;
  Door door;
  std::atomic<int> cancelled{0};
  {
    typename TypeParam::Pool pool(TypeParam::options(3, 64));
    std::vector<std::jthread> threads;
    for (int i = 0; i < submitters; ++i) {
      threads.emplace_back([&, i] {
        Random random(static_cast<std::uint64_t>(i));
        for (int n = 0; n < each; ++n) {
          const auto future = pool.submit([](const Door& of) { ++of->passed; }, door);
          if (random.below(3) == 0 && future.cancel()) ++cancelled;
        }
      });
    }
  }
  EXPECT_EQ(door->passed + cancelled, submitters * each);
}

}  // namespace
}  // namespace polyio
