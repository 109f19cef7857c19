// Task: values, exceptions, and chains of any depth on one stack.
#include <gtest/gtest.h>

#include <memory>
#include <polyio/coro/task.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "sync_wait.hpp"

namespace polyio {
namespace {

// Counts its own instances, to see frames destroyed.
struct Counted {
  Counted() { ++alive; }
  Counted(const Counted&) { ++alive; }
  ~Counted() { --alive; }
  static inline int alive = 0;
};

Task<int> number(int value) { co_return value; }

TEST(Task, Value) {
  auto sum = []() -> Task<int> {
    const int one = co_await number(1);
    const int two = co_await number(2);
    co_return one + two;
  };
  EXPECT_EQ(sync_wait(sum()), 3);
}

TEST(Task, BeginsWhenItIsAwaited) {
  bool begun = false;
  auto task = [&]() -> Task<> {
    begun = true;
    co_return;
  };
  Task<> waiting = task();
  EXPECT_FALSE(begun);
  EXPECT_FALSE(waiting.done());
  sync_wait(std::move(waiting));
  EXPECT_TRUE(begun);
  EXPECT_FALSE(waiting);
}

TEST(Task, MoveOnlyValue) {
  auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  auto pass_on = [&]() -> Task<std::unique_ptr<int>> { co_return co_await make(); };
  EXPECT_EQ(*sync_wait(pass_on()), 7);
}

TEST(Task, Exceptions) {
  auto fails = []() -> Task<std::string> {
    throw std::runtime_error("on purpose");
    co_return "never";
  };
  auto catches = [&]() -> Task<std::string> {
    try {
      auto value = co_await fails();
      co_return value;
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
  };
  EXPECT_EQ(sync_wait(catches()), "on purpose");
  EXPECT_THROW((void)sync_wait(fails()), std::runtime_error);
  auto fails_empty = []() -> Task<> {
    throw std::logic_error("too");
    co_return;
  };
  EXPECT_THROW(sync_wait(fails_empty()), std::logic_error);
}

TEST(Task, NeverStartedIsDestroyed) {
  auto task = [](Counted) -> Task<> { co_return; };
  {
    Task<> never_started = task(Counted());
    EXPECT_EQ(Counted::alive, 1);
    Task<> moved = std::move(never_started);
    EXPECT_FALSE(never_started);
    EXPECT_EQ(Counted::alive, 1);
    moved = task(Counted());
    EXPECT_EQ(Counted::alive, 1);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(Task, ValuesAndFramesAreDestroyedOnce) {
  auto make = []() -> Task<Counted> {
    Counted local;
    co_return local;
  };
  {
    const Counted kept = sync_wait(make());
    EXPECT_EQ(Counted::alive, 1);
  }
  EXPECT_EQ(Counted::alive, 0);
  {
    Task<Counted> untaken = make();
    untaken.handle().resume();
    EXPECT_TRUE(untaken.done());
    EXPECT_EQ(Counted::alive, 1);
  }
  EXPECT_EQ(Counted::alive, 0);
}

// Where the stack is now; not inlined, so that it is a frame of its own.
[[gnu::noinline]] std::uintptr_t stack_here() {
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

TEST(Task, AMillionAwaitsInARowUseOneStackFrame) {
  std::uintptr_t lowest = UINTPTR_MAX, highest = 0;
  auto leaf = [&]() -> Task<> {
    const std::uintptr_t here = stack_here();
    lowest = std::min(lowest, here);
    highest = std::max(highest, here);
    co_return;
  };
  auto loop = [&]() -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) co_await leaf();
  };
  sync_wait(loop());
  EXPECT_LT(highest - lowest, 64u * 1024);
}

struct Chain {
  std::uintptr_t deepest = UINTPTR_MAX, shallowest = 0;
  Task<int> descend(int levels) {
    const std::uintptr_t here = stack_here();
    deepest = std::min(deepest, here);
    shallowest = std::max(shallowest, here);
    if (levels == 0) co_return 0;
    const int below = co_await descend(levels - 1);
    co_return below + 1;
  }
};

TEST(Task, AMillionLevelsDeepUseOneStackFrame) {
  Chain chain;
  EXPECT_EQ(sync_wait(chain.descend(1'000'000)), 1'000'000);
  EXPECT_LT(chain.shallowest - chain.deepest, 64u * 1024);
}

TEST(SyncWait, WaitsForAnotherThread) {
  struct OnAnotherThread {
    using PolyioAwaitable [[maybe_unused]] = void;
    std::jthread& thread;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      thread = std::jthread([handle] { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };
  std::jthread thread;
  auto task = [&]() -> Task<std::thread::id> {
    OnAnotherThread there{thread};
    co_await there;
    co_return std::this_thread::get_id();
  };
  const auto ran_on = sync_wait(task());
  EXPECT_NE(ran_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace polyio
