// What the tests of room sync share: an Io per model, tasks side by side, several Ios on threads of
// their own. The rule: nobody sleeps to wait for somebody else.
#pragma once

#include <gtest/gtest.h>

#include <polyio/drivers/registry.hpp>
#include <polyio/io/io.hpp>
#include <polyio/io/task_group.hpp>
#include <thread>
#include <vector>

#include "support/results.hpp"

namespace polyio {

using namespace std::chrono_literals;

// Over the models that park and unpark differently: a loop with a wake-up descriptor, completions,
// threads.
class SyncTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto driver = make_driver(GetParam());
    if (!driver) GTEST_SKIP() << GetParam() << ": " << driver.error().message();
  }
  static std::unique_ptr<Io> make_io() { return std::make_unique<Io>(*make_driver(GetParam())); }

  // Runs `task(io, i)` for i in [0, count) side by side on one new Io of this thread.
  template <class Body>
  static void run_tasks(int count, Body task) {
    auto io = make_io();
    auto all = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < count; ++i) {
        auto spawned = group.spawn(task, *io, i);
        EXPECT_TRUE(spawned);
      }
      co_return;
    };
    io->run(with_task_group(*io, all));
    EXPECT_EQ(io->jobs(), 0u);
    EXPECT_EQ(io->timers(), 0u);
  }

  // The same on `ios` Ios, each on a thread of its own; the tasks are numbered through.
  template <class Body>
  static void run_ios(int ios, int count, Body task) {
    std::vector<std::jthread> threads;
    for (int n = 0; n < ios; ++n) {
      threads.emplace_back([=] {
        auto numbered = [=](Io& io, int i) { return task(io, n * count + i); };
        run_tasks(count, numbered);
      });
    }
  }
};

inline auto sync_models() { return testing::Values("epoll", "io_uring", "blocking"); }
inline std::string sync_model_name(const testing::TestParamInfo<const char*>& info) {
  return info.param;
}

// Waits, letting the other tasks run, until `condition()`.
template <class Condition>
Task<> until(Io& io, Condition condition) {
  while (!condition()) {
    auto yielded = co_await io.yield();
    EXPECT_TRUE(yielded);
  }
}

using test::failed_with;

}  // namespace polyio
