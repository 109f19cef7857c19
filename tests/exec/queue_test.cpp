// co_await on the queues between processes: the Io goes on meanwhile, scopes end the wait, and
// whoever waits is told, by threads, by other tasks and by the end of file.
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <polyio/exec/queue.hpp>
#include <string>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio {
namespace {

using namespace exec_test;

class AwaitQueue : public IoTest {};
POLYIO_ON_EVERY_MODEL(AwaitQueue);

TEST_P(AwaitQueue, WhatAThreadPutsComesWhileTheIoGoesOn) {
  run([&](TaskGroup& group) -> Task<> {
    ipc::Queue<std::string> queue;
    constexpr int count = 2000;
    std::jthread producer;
    bool others_ran = false;
    auto other = [&]() -> Task<> {
      co_await io().yield();
      others_ran = true;
      producer = std::jthread([queue]() mutable {
        auto out = queue.producer();
        for (int i = 0; i < count; ++i) EXPECT_TRUE(out.put(std::to_string(i)));
      });
    };
    auto spawned = group.spawn(other);
    if (!spawned) co_return;  // a model that runs one task has nobody to wait beside
    for (int i = 0; i < count; ++i) {
      auto message = co_await get(io(), queue);
      POLYIO_REQUIRE(message);
      EXPECT_EQ(*message, std::to_string(i));
    }
    auto end = co_await get(io(), queue);
    EXPECT_EQ(end.error(), Errc::end_of_file);
    EXPECT_TRUE(others_ran);
  });
}

// Signals that a thread of this process has blocked, one bit each, by its name; 0: no such thread.
std::uint64_t blocked_by(const std::string& name) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string its_name, word;
    std::getline(std::ifstream(thread.path() / "comm"), its_name);
    if (its_name != name) continue;
    std::ifstream status(thread.path() / "status");
    while (status >> word) {
      if (word == "SigBlk:" && status >> word) return std::stoull(word, nullptr, 16);
    }
  }
  return 0;
}

TEST_P(AwaitQueue, TheHelperThreadLeavesSignalsToTheProgram) {
  run([&](TaskGroup&) -> Task<> {
    ipc::Queue<std::string> queue;
    const auto out = queue.producer();
    const CancelScope limit(io(), std::chrono::milliseconds(1));
    auto none = co_await get(io(), queue);
    EXPECT_FALSE(none);
  });
  constexpr std::uint64_t theirs = 1u << (SIGUSR1 - 1) | 1u << (SIGTERM - 1) | 1u << (SIGINT - 1);
  EXPECT_TRUE(test::eventually([] { return (blocked_by("queue-watcher") & theirs) == theirs; }));
}

TEST_P(AwaitQueue, AScopesDeadlineAndCancelEndTheWaitAndTakeNothing) {
  run([&](TaskGroup&) -> Task<> {
    ipc::ByteQueue queue({.messages = 1});
    {
      CancelScope scope(io(), 5ms);
      auto message = co_await get(io(), queue);
      EXPECT_EQ(message.error(), std::errc::timed_out);
    }
    const std::vector<std::byte> bytes(3);
    EXPECT_TRUE(queue.try_put(bytes));
    {
      CancelScope scope(io(), 5ms);
      auto full = co_await put(io(), queue, bytes);
      EXPECT_EQ(full.error(), std::errc::timed_out);
    }
    EXPECT_EQ(queue.size(), 1u);
    auto message = co_await get(io(), queue);
    EXPECT_TRUE(message);
    auto room = co_await put(io(), queue, bytes);
    EXPECT_TRUE(room);
    queue.close();
    auto closed = co_await put(io(), queue, bytes);
    EXPECT_EQ(closed.error(), errno_code(EPIPE));
  });
}

TEST_P(AwaitQueue, ManyTasksOnBothSidesPassEverythingOn) {
  run([&](TaskGroup& group) -> Task<> {
    constexpr int producers = 20, each = 50;
    threads::Queue<int> queue({.messages = 3});
    long sum = 0;
    int got = 0, ended = 0;
    auto produce = [&](int from) -> Task<> {
      for (int i = 0; i < each; ++i) {
        auto done = co_await put(io(), queue, from + i);
        POLYIO_REQUIRE(done);
      }
    };
    auto consume = [&]() -> Task<> {
      for (;;) {
        auto value = co_await get(io(), queue);
        if (!value) {
          ended += value.error() == Errc::end_of_file;
          co_return;
        }
        sum += *value;
        if (++got == producers * each) queue.close();
      }
    };
    for (int c = 0; c < 10; ++c) {
      if (!group.spawn(consume)) co_return;
    }
    for (int p = 0; p < producers; ++p) {
      auto spawned = group.spawn(produce, p * each);
      POLYIO_REQUIRE(spawned);
    }
    while (ended < 10) {
      auto slept = co_await io().sleep(1ms);
      POLYIO_REQUIRE(slept);
    }
    constexpr long all = producers * each;
    EXPECT_EQ(got, all);
    EXPECT_EQ(sum, all * (all - 1) / 2);
  });
}

TEST_P(AwaitQueue, MoreQueuesThanOneCallCanSleepOnAreWatched) {
  run([&](TaskGroup& group) -> Task<> {
    constexpr int count = 200;
    std::vector<threads::Queue<int>> queues;
    for (int i = 0; i < count; ++i) queues.emplace_back(ipc::QueueOptions{.bytes = 64});
    int got = 0;
    auto consume = [&](int i) -> Task<> {
      auto value = co_await get(io(), queues[static_cast<std::size_t>(i)]);
      POLYIO_REQUIRE(value);
      EXPECT_EQ(*value, i);
      ++got;
    };
    for (int i = 0; i < count; ++i) {
      if (!group.spawn(consume, i)) co_return;
    }
    co_await io().yield();
    for (int i = count - 1; i >= 0; --i) {
      EXPECT_TRUE(queues[static_cast<std::size_t>(i)].put(i));
    }
    while (got < count) {
      auto slept = co_await io().sleep(1ms);
      POLYIO_REQUIRE(slept);
    }
  });
}

}  // namespace
}  // namespace polyio
