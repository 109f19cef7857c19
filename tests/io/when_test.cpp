// when_all, when_any and with_timeout: what they answer, what they cancel, and that nothing goes on
// after them.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/when.hpp>
#include <stdexcept>
#include <string>

#include "support/results.hpp"

namespace polyio {
namespace {

using namespace std::chrono_literals;
using test::cancelled;
using test::failed_with;
using test::timed_out;

class WhenTest : public testing::Test {
 protected:
  void run(const std::function<Task<>()>& body) {
    auto main = [&](TaskGroup&) -> Task<> { co_await body(); };
    io.run(with_task_group(io, main));
    EXPECT_EQ(io.jobs(), 0u);
    EXPECT_EQ(io.timers(), 0u);
    EXPECT_EQ(running, 0);
  }
  struct Running {
    explicit Running(int& its_count) : count(its_count) { ++count; }
    ~Running() { --count; }
    int& count;
  };
  // Ends after `turns` turns of the loop with `value`.
  template <class T>
  Task<T> later(int turns, T value) {
    const Running here(running);
    for (; turns > 0; --turns) (void)co_await io.yield();
    co_return value;
  }
  Task<Result<int>> sleeps_for_ever() {
    const Running here(running);
    auto slept = co_await io.sleep(1h);
    // What it does after the cancel is waited for, too.
    for (int i = 0; i < 3; ++i) (void)co_await io.yield();
    if (!slept) co_return fail(slept.error());
    co_return 1;
  }
  Task<int> throws(int turns, const char* what) {
    const Running here(running);
    for (; turns > 0; --turns) (void)co_await io.yield();
    throw std::runtime_error(what);
  }
  Task<> ends(bool& ended) {
    (void)co_await io.yield();
    ended = true;
  }

  Io io{*make_driver("epoll")};
  int running = 0;
};

// The operation lives as long as the statement, the job that ran it does not.
TEST_F(WhenTest, ASleepThatWasCancelledLeavesNoTimer) {
  std::size_t timers = 99;
  auto look = [&]() -> Task<> {
    for (int i = 0; i < 5; ++i) (void)co_await io.yield();
    timers = io.timers();
  };
  run([&]() -> Task<> {
    auto any = co_await when_any(io, io.sleep(1h), io.yield(), look());
    EXPECT_TRUE(any && any->index == 1);
  });
  EXPECT_EQ(timers, 0u);
}

TEST_F(WhenTest, AllAnswerInTheOrderGivenWhateverTheirTypes) {
  run([&]() -> Task<> {
    bool ended = false;
    auto all = co_await when_all(io, later(5, std::string("text")),
                                 later(1, std::make_unique<int>(2)), ends(ended), io.sleep(1ms));
    EXPECT_TRUE(all && ended);
    if (!all) co_return;
    auto& [text, box, nothing, slept] = *all;
    static_assert(std::is_same_v<decltype(nothing), std::monostate>);
    EXPECT_EQ(text, "text");
    EXPECT_EQ(*box, 2);
    EXPECT_TRUE(slept);
    auto none = co_await when_all(io);
    EXPECT_TRUE(none);
  });
}

TEST_F(WhenTest, TheyRunAtTheSameTime) {
  run([&]() -> Task<> {
    int most = 0;
    auto observes = [&](int turns) -> Task<> {
      const Running here(running);
      for (; turns > 0; --turns) (void)co_await io.yield();
      most = std::max(most, running);
    };
    auto all = co_await when_all(io, observes(3), observes(3), observes(3));
    EXPECT_TRUE(all);
    EXPECT_EQ(most, 3);
  });
}

TEST_F(WhenTest, AnErrorIsAResultAndCancelsNothing) {
  run([&]() -> Task<> {
    auto all = co_await when_all(io, later<Result<int>>(0, fail(EIO)), later(4, 7));
    EXPECT_TRUE(all);
    if (!all) co_return;
    EXPECT_TRUE(failed_with(std::get<0>(*all), std::errc::io_error));
    EXPECT_EQ(std::get<1>(*all), 7);
    auto any = co_await when_any(io, sleeps_for_ever(), later<Result<int>>(0, fail(EIO)));
    EXPECT_TRUE(any && any->index == 1 && cancelled(std::get<0>(any->results)));
  });
}

TEST_F(WhenTest, AnyIsTheFirstToEndAndTheOthersHaveEnded) {
  run([&]() -> Task<> {
    auto any = co_await when_any(io, sleeps_for_ever(), later(3, 7), sleeps_for_ever());
    EXPECT_EQ(running, 0);
    EXPECT_TRUE(any);
    if (!any) co_return;
    EXPECT_EQ(any->index, 1u);
    auto& [before, winner, after] = any->results;
    EXPECT_EQ(winner, 7);
    EXPECT_TRUE(cancelled(before) && cancelled(after));
    auto slept = co_await io.sleep(1ms);
    EXPECT_TRUE(slept) << "the cancel is of the others alone";
  });
}

TEST_F(WhenTest, VectorsOfTasks) {
  run([&]() -> Task<> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(later(10 - i, i));
    auto all = co_await when_all(io, std::move(tasks));
    EXPECT_TRUE(all && *all == (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    std::vector<Task<Result<int>>> racing;
    for (int i = 0; i < 10; ++i) {
      racing.push_back(i == 6 ? later<Result<int>>(4, 66) : sleeps_for_ever());
    }
    auto any = co_await when_any(io, std::move(racing));
    EXPECT_TRUE(any);
    if (!any) co_return;
    EXPECT_EQ(any->index, 6u);
    EXPECT_EQ(any->results[6], 66);
    EXPECT_EQ(std::ranges::count_if(any->results, [](auto& one) { return cancelled(one); }), 9);
    auto none = co_await when_all(io, std::vector<Task<>>());
    EXPECT_TRUE(none && none->empty());
  });
}

TEST_F(WhenTest, TheFirstExceptionCancelsTheOthersAndComesWhenAllHaveEnded) {
  for (const bool any : {false, true}) {
    run([&]() -> Task<> {
      std::string caught;
      try {
        if (any) {
          (void)co_await when_any(io, sleeps_for_ever(), throws(3, "second"), throws(1, "first"));
        } else {
          (void)co_await when_all(io, sleeps_for_ever(), throws(3, "second"), throws(1, "first"));
        }
      } catch (const std::runtime_error& error) {
        caught = error.what();
        EXPECT_EQ(running, 0);
      }
      EXPECT_EQ(caught, "first");
    });
  }
}

TEST_F(WhenTest, ACancelFromOutsideReachesAll) {
  run([&]() -> Task<> {
    const CancelScope scope(io, 1ms);
    auto all = co_await when_all(io, sleeps_for_ever(), io.sleep(1h));
    EXPECT_TRUE(all && timed_out(std::get<0>(*all)) && timed_out(std::get<1>(*all)));
    auto any = co_await when_any(io, io.sleep(1h), sleeps_for_ever());
    EXPECT_TRUE(any && any->index == 0 && timed_out(std::get<0>(any->results)));
  });
}

TEST_F(WhenTest, OneInsideTheOther) {
  run([&]() -> Task<> {
    auto any = co_await when_any(io, when_all(io, sleeps_for_ever(), later(1, 1)),
                                 with_timeout(io, 1ms, sleeps_for_ever()));
    EXPECT_TRUE(any);
    if (!any) co_return;
    EXPECT_EQ(any->index, 1u);
    EXPECT_TRUE(timed_out(std::get<1>(any->results)));
    auto& inner = std::get<0>(any->results);
    EXPECT_TRUE(inner && cancelled(std::get<0>(*inner)));
    EXPECT_TRUE(inner && std::get<1>(*inner) == 1) << "it had ended before";
  });
}

TEST_F(WhenTest, ATimeoutEndsWhatIsNotDone) {
  run([&]() -> Task<> {
    auto slept = co_await with_timeout(io, 1ms, io.sleep(1h));
    EXPECT_TRUE(timed_out(slept));
    auto never_done = co_await with_timeout(io, 1ms, sleeps_for_ever());
    EXPECT_TRUE(timed_out(never_done));
    auto done = co_await with_timeout(io, 1h, later<Result<int>>(2, 7));
    EXPECT_EQ(done, 7);
    auto failed = co_await with_timeout(io, 1h, later<Result<int>>(2, fail(EIO)));
    EXPECT_TRUE(failed_with(failed, std::errc::io_error));
    auto later_on = co_await io.sleep(1ms);
    EXPECT_TRUE(later_on) << "the deadline was of that operation alone";
  });
}

TEST_F(WhenTest, ATimeoutOfATaskWithoutAValue) {
  run([&]() -> Task<> {
    bool ended = false;
    auto in_time = co_await with_timeout(io, 1h, ends(ended));
    EXPECT_TRUE(in_time && ended);
    auto sleeps = [&]() -> Task<> { (void)co_await io.sleep(1h); };
    auto late = co_await with_timeout(io, 1ms, sleeps());
    EXPECT_TRUE(timed_out(late));
    CancelScope scope(io);
    scope.cancel();
    auto from_outside = co_await with_timeout(io, 1h, sleeps());
    EXPECT_TRUE(cancelled(from_outside));
  });
}

// Whatever comes of the task that was cancelled: a value counts.
TEST_F(WhenTest, AValueThatCameAllTheSameIsKept) {
  run([&]() -> Task<> {
    auto ends_when_cancelled = [&](Result<int> with) -> Task<Result<int>> {
      while (io.check_cancelled()) (void)co_await io.yield();
      co_return with;
    };
    auto kept = co_await with_timeout(io, 1ms, ends_when_cancelled(7));
    EXPECT_EQ(kept, 7);
    auto failed = co_await with_timeout(io, 1ms, ends_when_cancelled(fail(EIO)));
    EXPECT_TRUE(failed_with(failed, std::errc::io_error)) << "an error of its own, too";
  });
}

TEST_F(WhenTest, ExceptionsPassThroughATimeout) {
  run([&]() -> Task<> {
    bool caught = false;
    auto thrower = [&]() -> Task<> { (void)co_await throws(1, "on purpose"); };
    try {
      (void)co_await with_timeout(io, 1h, thrower());
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
}

}  // namespace
}  // namespace polyio
