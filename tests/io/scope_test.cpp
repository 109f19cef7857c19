// CancelScope and TaskGroup: nesting, reasons, and who is told.
#include <gtest/gtest.h>

#include <functional>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/io.hpp>
#include <polyio/io/task_group.hpp>
#include <stdexcept>

namespace polyio {
namespace {

using namespace std::chrono_literals;

class ScopesTest : public testing::Test {
 protected:
  void run(const std::function<Task<>(TaskGroup&)>& body) {
    io.run(with_task_group(io, body));
    EXPECT_EQ(io.jobs(), 0u);
    EXPECT_EQ(io.timers(), 0u);
  }
  Task<std::errc> sleep_for_ever() {
    auto slept = co_await io.sleep(1h);
    if (slept) co_return std::errc{};
    co_return static_cast<std::errc>(slept.error().value());
  }
  Io io{*make_driver("epoll")};
};

TEST_F(ScopesTest, ReasonsReachInwards) {
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope outer(io);
    {
      CancelScope inner(io, 1h);
      outer.cancel();
      EXPECT_TRUE(inner.cancelled());
      EXPECT_FALSE(inner.timed_out());
      const auto reason = co_await sleep_for_ever();
      EXPECT_EQ(reason, std::errc::operation_canceled);
    }
    EXPECT_TRUE(outer.cancelled());
  };
  run(body);
}

TEST_F(ScopesTest, TheInnermostReasonIsTold) {
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope outer(io);
    CancelScope inner(io, 1ms);
    auto reason = co_await sleep_for_ever();
    EXPECT_EQ(reason, std::errc::timed_out);
    outer.cancel();
    {
      auto awaited = co_await sleep_for_ever();
      reason = std::move(awaited);
    }
    EXPECT_EQ(reason, std::errc::timed_out) << "it ended first";
    EXPECT_TRUE(inner.timed_out());
  };
  run(body);
}

TEST_F(ScopesTest, ADeadlineInThePastEndsAtOnce) {
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io, -1s);
    const auto reason = co_await sleep_for_ever();
    EXPECT_EQ(reason, std::errc::timed_out);
  };
  run(body);
}

TEST_F(ScopesTest, ManyLevels) {
  std::function<Task<int>(int)> descend = [&](int levels) -> Task<int> {
    CancelScope scope(io, 1h + levels * 1s);
    if (levels == 0) {
      const auto reason = co_await sleep_for_ever();
      co_return reason == std::errc::timed_out ? 1 : 1000;
    }
    const int below = co_await descend(levels - 1);
    co_return below + (scope.cancelled() && !scope.timed_out() ? 1 : 1000);
  };
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io, 1ms);
    const int all = co_await descend(50);
    EXPECT_EQ(all, 51);
  };
  run(body);
}

TEST_F(ScopesTest, TasksOfAGroupAreInTheScopeItWasOpenedIn) {
  int ended = 0;
  auto task = [&]() -> Task<> {
    const auto reason = co_await sleep_for_ever();
    ended += reason == std::errc::timed_out;
  };
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io, 2ms);
    auto inner = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 5; ++i) (void)group.spawn(task);
      co_return;
    };
    co_await with_task_group(io, inner);
    EXPECT_EQ(ended, 5);
    EXPECT_TRUE(scope.timed_out());
  };
  run(body);
}

TEST_F(ScopesTest, SiblingScopesAreApart) {
  int ended = 0;
  auto task = [&](Nanoseconds span, std::errc expected) -> Task<> {
    CancelScope scope(io, span);
    auto slept = co_await io.sleep(6ms);
    ended += slept ? expected == std::errc{} : slept.error() == expected;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(task, 1ms, std::errc::timed_out);
    (void)group.spawn(task, 1h, std::errc());
    (void)group.spawn(task, 2ms, std::errc::timed_out);
    co_return;
  };
  run(body);
  EXPECT_EQ(ended, 3);
}

TEST_F(ScopesTest, TheFirstExceptionIsRethrownAfterAllHaveEnded) {
  int ended = 0;
  auto sleeper = [&]() -> Task<> {
    const auto reason = co_await sleep_for_ever();
    ended += reason == std::errc::operation_canceled;
  };
  auto thrower = [&](const char* what, int turns) -> Task<> {
    for (; turns > 0; --turns) (void)co_await io.yield();
    throw std::runtime_error(what);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 3; ++i) (void)group.spawn(sleeper);
    (void)group.spawn(thrower, "second", 2);
    (void)group.spawn(thrower, "first", 0);
    const auto reason = co_await sleep_for_ever();
    EXPECT_EQ(reason, std::errc::operation_canceled) << "the body is told too";
    EXPECT_TRUE(group.cancelled());
  };
  try {
    io.run(with_task_group(io, body));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(io.jobs(), 0u);
}

TEST_F(ScopesTest, ABodyThatThrowsCancelsItsTasks) {
  bool ended = false;
  auto sleeper = [&]() -> Task<> {
    const auto reason = co_await sleep_for_ever();
    ended = reason == std::errc::operation_canceled;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(sleeper);
    (void)co_await io.yield();
    throw std::logic_error("on purpose");
  };
  EXPECT_THROW(io.run(with_task_group(io, body)), std::logic_error);
  EXPECT_TRUE(ended);
}

// A group that is cancelled from outside still waits for its tasks, which may take their time to
// end.
TEST_F(ScopesTest, ACancelDoesNotCutTheJoinShort) {
  int cleaned_up = 0;
  auto task = [&]() -> Task<> {
    (void)co_await sleep_for_ever();
    for (int i = 0; i < 10; ++i) (void)co_await io.yield();
    ++cleaned_up;
  };
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io, 1ms);
    auto inner = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 4; ++i) (void)group.spawn(task);
      co_return;
    };
    co_await with_task_group(io, inner);
    EXPECT_EQ(cleaned_up, 4);
  };
  run(body);
}

TEST_F(ScopesTest, TasksMaySpawnIntoTheirOwnGroup) {
  int ran = 0;
  std::function<Task<>(TaskGroup&, int)> task = [&](TaskGroup& group, int levels) -> Task<> {
    ++ran;
    for (int i = 0; levels > 0 && i < 2; ++i) (void)group.spawn(task, group, levels - 1);
    co_return;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(task, group, 5);
    co_return;
  };
  run(body);
  EXPECT_EQ(ran, 63);
}

TEST_F(ScopesTest, ThatEndOutOfOrderAreAnError) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto outer = std::make_unique<CancelScope>(io, 1s);
    const CancelScope inner(io, 1s);
    outer.reset();
    co_return;
  };
  EXPECT_DEATH(run(body), "misuse: a CancelScope ends in its own task, and after those");
}

}  // namespace
}  // namespace polyio
