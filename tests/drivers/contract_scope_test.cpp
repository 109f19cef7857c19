// Contract: scopes nest, deadlines end operations, groups end together, timers keep their word.
#include "contract.hpp"

namespace polyio::contract {
namespace {

class ScopeTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(ScopeTest);

TEST_P(ScopeTest, ASleepIsNotShort) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (const Nanoseconds span :
         {Nanoseconds(3ms), Nanoseconds(1us), Nanoseconds(0), Nanoseconds(-1h)}) {
      const TimePoint before = monotonic_now();
      auto slept = co_await io().sleep(span);
      EXPECT_TRUE(slept);
      EXPECT_GE(monotonic_now() - before, span);
    }
    auto slept = co_await io().sleep_until(TimePoint::min());
    EXPECT_TRUE(slept);
  };
  run(body);
}

TEST_P(ScopeTest, SleepsEndInTheOrderOfTheirDeadlines) {
  std::vector<int> order;
  // True: all began in time. On a busy machine a task may begin after its deadline.
  auto attempt = [&](Nanoseconds lead) {
    order.clear();
    bool in_time = true;
    const TimePoint start = monotonic_now() + lead;
    auto sleeper = [&, start](int number) -> Task<> {
      in_time = in_time && monotonic_now() < start;
      auto slept = co_await io().sleep_until(start + number * 15ms);
      EXPECT_TRUE(slept);
      order.push_back(number);
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      for (int number : {3, 1, 4, 2}) (void)group.spawn(sleeper, number);
      co_return;
    };
    run(body);
    return in_time;
  };
  Nanoseconds lead = 1ms;
  while (!attempt(lead)) lead *= 2;
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4}));
}

TEST_P(ScopeTest, ADeadlineEndsAReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    const TimePoint before = monotonic_now();
    {
      CancelScope scope(io(), 3ms);
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(timed_out(chunk));
      EXPECT_GE(monotonic_now() - before, 3ms);
      EXPECT_TRUE(scope.timed_out() && scope.cancelled());
      auto sent = co_await stream.send_all("x");
      EXPECT_TRUE(timed_out(sent)) << "and whatever comes after it";
    }
    auto sent = co_await stream.send_all("y");
    EXPECT_TRUE(sent);
    EXPECT_EQ(raw.read(1), "y");
  };
  run(body);
}

TEST_P(ScopeTest, ADeadlineMayBeMoved) {
  auto body = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io(), 1h);
    const TimePoint before = monotonic_now();
    scope.set_deadline(before + 2ms);
    scope.set_deadline(before + 6ms);
    auto slept = co_await io().sleep(1h);
    EXPECT_TRUE(timed_out(slept));
    EXPECT_GE(monotonic_now() - before, 6ms);
  };
  run(body);
  auto lifted = [&](TaskGroup&) -> Task<> {
    CancelScope scope(io(), 1ms);
    scope.set_deadline(never);
    auto slept = co_await io().sleep(4ms);
    EXPECT_TRUE(slept);
    EXPECT_FALSE(scope.cancelled());
  };
  run(lifted);
}

TEST_P(ScopeTest, AnOuterScopeEndsWhatIsInside) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    CancelScope outer(io(), 3ms);
    {
      CancelScope middle(io());
      CancelScope inner(io(), 1h);
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(timed_out(chunk));
      EXPECT_TRUE(inner.cancelled() && middle.cancelled());
      EXPECT_FALSE(inner.timed_out()) << "it was the outer one's deadline";
    }
    EXPECT_TRUE(outer.timed_out());
  };
  run(body);
}

TEST_P(ScopeTest, AnInnerScopeLeavesTheOuterAlone) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    CancelScope outer(io());
    for (int i = 0; i < 3; ++i) {
      CancelScope inner(io(), 1ms);
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(timed_out(chunk));
      CancelScope innermost(io());
      EXPECT_TRUE(innermost.cancelled());
    }
    EXPECT_FALSE(outer.cancelled());
    raw.send("x");
    auto got = co_await read(stream, 1);
    EXPECT_EQ(got, "x");
  };
  run(body);
}

TEST_P(ScopeTest, ACancelledGroupEndsItsTasks) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    Listener listener = listen();
    int begun = 0, ended = 0;
    auto sleeper = [&]() -> Task<> {
      ++begun;
      auto slept = co_await io().sleep(1h);
      ended += cancelled(slept);
    };
    auto reader = [&](Stream& stream) -> Task<> {
      ++begun;
      CancelScope inner(io(), 1h);
      auto chunk = co_await stream.receive();
      ended += cancelled(chunk);
    };
    auto acceptor = [&]() -> Task<> {
      ++begun;
      auto stream = co_await listener.accept();
      ended += cancelled(stream);
    };
    auto inner = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(sleeper);
      (void)group.spawn(reader, ends.near);
      (void)group.spawn(reader, ends.far);
      (void)group.spawn(acceptor);
      co_await until([&] { return begun == 4; });
      co_await turns(3);
      group.cancel();
      EXPECT_TRUE(group.cancelled());
      auto slept = co_await io().sleep(1h);
      EXPECT_TRUE(cancelled(slept)) << "the body is in it too";
    };
    co_await with_task_group(io(), inner);
    EXPECT_EQ(ended, 4);
  };
  run(body);
}

TEST_P(ScopeTest, AnExceptionCancelsTheSiblingsAndIsRethrown) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    bool waiting = false, ended = false, caught = false;
    auto reader = [&]() -> Task<> {
      waiting = true;
      auto chunk = co_await ends.near.receive();
      ended = cancelled(chunk);
    };
    auto thrower = [&]() -> Task<> {
      co_await until([&] { return waiting; });
      throw std::runtime_error("on purpose");
    };
    auto inner = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(reader);
      (void)group.spawn(thrower);
      co_return;
    };
    try {
      co_await with_task_group(io(), inner);
    } catch (const std::runtime_error& error) {
      caught = std::string_view(error.what()) == "on purpose";
    }
    EXPECT_TRUE(caught && ended);
  };
  run(body);
}

// A task that computes for a while and then sleeps, sleeps its full time.
TEST_P(ScopeTest, TimeThatWasSpentComputingIsNotSlept) {
  auto body = [&](TaskGroup&) -> Task<> {
    const auto compute = [] {
      const TimePoint end = monotonic_now() + 6ms;
      while (monotonic_now() < end) {
      }
      return monotonic_now();
    };
    TimePoint before = compute();
    auto slept = co_await io().sleep(5ms);
    EXPECT_TRUE(slept);
    EXPECT_GE(monotonic_now() - before, 5ms);
    before = compute();
    CancelScope scope(io(), 5ms);
    {
      auto awaited = co_await io().sleep(1h);
      slept = std::move(awaited);
    }
    EXPECT_TRUE(timed_out(slept));
    EXPECT_GE(monotonic_now() - before, 5ms);
  };
  run(body);
}

// Cancelled by work posted from another thread, while all tasks wait inside the driver.
TEST_P(ScopeTest, CancelledFromAnotherThread) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    for (int i = 0; i < 50; ++i) {
      CancelScope scope(io());
      std::jthread other([&] { io().post([&] { scope.cancel(); }); });
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(cancelled(chunk));
    }
  };
  run(body);
}

// What was posted may use what is there during the run only. The second Io's timer gives model
// blocking's timekeeper, a thread of its own, the time to serve the first Io too early.
TEST_P(ScopeTest, WhatIsPostedBeforeTheRunWaitsForIt) {
  std::thread::id ran_on;
  Io later(make_driver(GetParam()).value());
  later.post([&] { ran_on = std::this_thread::get_id(); });
  auto sleep = [&](TaskGroup&) -> Task<> {
    auto slept = co_await io().sleep(1ms);
    EXPECT_TRUE(slept);
  };
  run(sleep);
  EXPECT_EQ(ran_on, std::thread::id());
  const auto yield = [&]() -> Task<> {
    auto yielded = co_await later.yield();
    EXPECT_TRUE(yielded);
  };
  later.run(yield());
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_P(ScopeTest, UnparkedFromAnotherThread) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (int i = 0; i < 200; ++i) {
      Job& job = io().current();
      std::jthread other([&] { io().unpark(job); });  // joined before the job can end
      auto parked = co_await io().park();
      EXPECT_TRUE(parked);
    }
  };
  run(body);
}

TEST_P(ScopeTest, TheIdleTimeoutEndsWhatMakesNoProgress) {
  io().set_idle_timeout(8ms);
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half(32 * 1024);
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(timed_out(chunk));
    const std::string bytes = pattern(1 << 20);
    auto sent = co_await stream.send_all(bytes);
    EXPECT_TRUE(timed_out(sent));
    auto slept = co_await io().sleep(20ms);
    EXPECT_TRUE(slept) << "sleeps are meant to last";
    io().set_idle_timeout(0s);
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
