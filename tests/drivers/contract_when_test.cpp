// Contract: operations side by side in one statement: the first cancels the others, and nothing
// that one of them had got by then is lost.
#include <algorithm>
#include <polyio/io/when.hpp>
#include <polyio/sync/event.hpp>
#include <polyio/sync/queue.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class WhenTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(WhenTest);

TEST_P(WhenTest, TheFirstCancelsWhatWaitsInTheKernel) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    auto [other, raw] = half();
    Listener listener = listen();
    raw.send("x");
    auto any = co_await when_any(io(), ends.near.receive(), listener.accept(), other.receive(),
                                 io().sleep(1h));
    POLYIO_REQUIRE(any && any->index == 2);
    auto& [near, accepted, got, slept] = any->results;
    EXPECT_TRUE(cancelled(near) && cancelled(accepted) && cancelled(slept));
    EXPECT_TRUE(got && got->text() == "x");
    auto sent = co_await ends.far.send_all("y");
    EXPECT_TRUE(sent);
    auto text = co_await read(ends.near, 1);
    EXPECT_EQ(text, "y") << "and the stream is as good as before";
  };
  run(body);
}

TEST_P(WhenTest, AllWaitAtTheSameTime) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair();
    auto answer = [&]() -> Task<> {
      auto asked = co_await read(ends.far, 4);
      EXPECT_EQ(asked, "ping");
      auto sent = co_await ends.far.send_all("pong");
      EXPECT_TRUE(sent);
    };
    EXPECT_TRUE(group.spawn(answer));
    auto all = co_await when_all(io(), read(ends.near, 4), ends.near.send_all("ping"));
    POLYIO_REQUIRE(all);
    EXPECT_EQ(std::get<0>(*all), "pong");
    EXPECT_TRUE(std::get<1>(*all));
  };
  run(body);
}

// Those that would follow the first begin cancelled and leave what they could have had. Threads may
// begin in another order; nothing is lost with them either.
TEST_P(WhenTest, OneThatEndsAsItBeginsLeavesTheRestUntouched) {
  auto body = [&](TaskGroup&) -> Task<> {
    Queue<int> first(1), second(1);
    EXPECT_TRUE(first.try_put(1) && second.try_put(2));
    auto [stream, raw] = half();
    raw.send("x");
    auto any = co_await when_any(io(), first.get(io()), second.get(io()), stream.receive());
    POLYIO_REQUIRE(any);
    auto& [one, two, chunk] = any->results;
    EXPECT_TRUE(one ? *one == 1 : cancelled(one) && first.size() == 1);
    EXPECT_TRUE(two ? *two == 2 : cancelled(two) && second.size() == 1);
    if (!io().thread_per_job()) {
      EXPECT_EQ(any->index, 0u);
      EXPECT_TRUE(one && !two && !chunk);
    }
    std::string text(chunk ? chunk->text() : "");
    if (text.empty()) {
      auto left = co_await read(stream, 1);
      text = std::move(left);
    }
    EXPECT_EQ(text, "x");
  };
  run(body);
}

// Both wait, and both are given a value before either goes on: one is the first, and the value of
// the other is in its result.
TEST_P(WhenTest, WhatTheOthersHadGotIsInTheirResults) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Queue<std::unique_ptr<int>> first(1), second(1);
    int begun = 0;
    auto get = [&](Queue<std::unique_ptr<int>>& queue) -> Task<Result<std::unique_ptr<int>>> {
      ++begun;
      co_return co_await queue.get(io());
    };
    auto putter = [&]() -> Task<> {
      co_await until([&] { return begun == 2; });  // both wait
      EXPECT_TRUE(second.try_put(std::make_unique<int>(2)));
      EXPECT_TRUE(first.try_put(std::make_unique<int>(1)));
    };
    EXPECT_TRUE(group.spawn(putter));
    auto any = co_await when_any(io(), get(first), get(second));
    POLYIO_REQUIRE(any);
    if (!io().thread_per_job()) {
      EXPECT_EQ(any->index, 1u) << "its value came first";
    }
    auto& [one, two] = any->results;
    EXPECT_TRUE(one && **one == 1);
    EXPECT_TRUE(two && **two == 2);
    EXPECT_TRUE(first.size() == 0 && second.size() == 0);
  };
  run(body);
}

// A byte counted by a sender is received, or stays where the next receive gets it.
TEST_P(WhenTest, NoByteIsLostToTheOthers) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [one, one_raw] = half();
    auto [two, two_raw] = half();
    int sent = 0, received = 0;
    const auto count = [&](const Result<Lease>& chunk) {
      if (chunk) received += static_cast<int>(chunk->size());
    };
    for (int round = 0; round < 40; ++round) {
      if (round % 3 != 1) one_raw.send("x"), ++sent;
      if (round % 3 != 2) two_raw.send("yy"), sent += 2;
      while (received < sent) {
        auto any = co_await when_any(io(), one.receive(), two.receive());
        POLYIO_REQUIRE(any);
        count(std::get<0>(any->results));
        count(std::get<1>(any->results));
      }
    }
    EXPECT_EQ(received, sent);
  };
  run(body);
}

TEST_P(WhenTest, ATimeoutOfAReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    const TimePoint before = monotonic_now();
    auto chunk = co_await with_timeout(io(), 3ms, stream.receive());
    EXPECT_TRUE(timed_out(chunk));
    EXPECT_GE(monotonic_now() - before, 3ms);
    raw.send("x");
    auto text = co_await with_timeout(io(), 1h, stream.receive());
    EXPECT_TRUE(text && text->text() == "x");
  };
  run(body);
}

TEST_P(WhenTest, WithoutAThreadToLendItIsAnErrorAndNothingHasBegun) {
  if (!io().thread_per_job()) GTEST_SKIP() << "jobs take turns here";
  io().lend_no_threads();
  auto body = [&](TaskGroup&) -> Task<> {
    Queue<int> queue(1);
    EXPECT_TRUE(queue.try_put(1));
    auto any = co_await when_any(io(), queue.get(io()), io().sleep(1h));
    EXPECT_TRUE(!any && any.error() == Errc::concurrency_unavailable);
    auto all = co_await when_all(io(), queue.get(io()));
    EXPECT_TRUE(!all && all.error() == Errc::concurrency_unavailable);
    EXPECT_EQ(queue.size(), 1u);
    auto got = co_await with_timeout(io(), 1h, queue.get(io()));
    EXPECT_EQ(got, 1) << "which needs no thread";
  };
  run(body);
}

// On one thread, except where the model is one of a thread for each.
TEST_P(WhenTest, AThousandSleepAtTheSameTime) {
  constexpr int count = 1'000;
  int asleep = 0, most = 0, slept = 0;
  // On a busy machine the first may wake before the last has begun: then it is tried again, longer.
  auto attempt = [&](Nanoseconds span) {
    most = slept = 0;
    const TimePoint until = monotonic_now() + span;
    auto sleeper = [&]() -> Task<> {
      most = std::max(most, ++asleep);
      auto woken = co_await io().sleep_until(until);
      --asleep;
      slept += woken && monotonic_now() >= until;
    };
    run([&](TaskGroup&) -> Task<> {
      std::vector<Task<>> sleepers;
      for (int i = 0; i < count; ++i) sleepers.push_back(sleeper());
      auto all = co_await when_all(io(), std::move(sleepers));
      EXPECT_TRUE(all && all->size() == count);
    });
    return most == count;
  };
  Nanoseconds span = 20ms;
  while (!attempt(span)) span *= 2;
  EXPECT_EQ(slept, count);
  EXPECT_EQ(asleep, 0);
}

}  // namespace
}  // namespace polyio::contract
