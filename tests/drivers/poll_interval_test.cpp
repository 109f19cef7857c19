// The model nonblocking: trying all the time burns a core, an interval between the rounds doesn't
// and is paid in delay; other work goes on meanwhile.
#include <sys/resource.h>

#include <polyio/sync/event.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

// How often this thread went to sleep of its own accord.
long sleeps() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

Io io_with(Nanoseconds interval) {
  return Io(*make_driver("nonblocking", {.poll_interval = interval}));
}

// Runs while a receive waits for bytes that don't come, for `time`; how often the thread slept.
long sleeps_while_waiting(Nanoseconds interval, Nanoseconds time) {
  Io io = io_with(interval);
  auto [near, far] = raw_pair();
  auto stream = io.adopt(near.take());
  long before = 0, after = 0;
  auto body = [&](TaskGroup& group) -> Task<> {
    auto receiver = [&]() -> Task<> {
      auto chunk = co_await stream->receive();
      EXPECT_TRUE(chunk && chunk->empty());
    };
    (void)group.spawn(receiver);
    before = sleeps();
    (void)co_await io.sleep(time);
    after = sleeps();
    far.close();
  };
  io.run(with_task_group(io, body));
  return after - before;
}

TEST(PollInterval, WithoutOneTheLoopNeverSleeps) { EXPECT_EQ(sleeps_while_waiting(0ns, 30ms), 0); }

TEST(PollInterval, WithOneItSleepsBetweenTheRounds) {
  const long count = sleeps_while_waiting(3ms, 30ms);
  EXPECT_GT(count, 0);
  EXPECT_LE(count, 30 / 3 + 2);
}

TEST(PollInterval, EchoesAndOtherWorkGoesOn) {
  for (Nanoseconds interval : {Nanoseconds(0), Nanoseconds(1ms)}) {
    Io io = io_with(interval);
    auto [near, far] = raw_pair();
    auto stream = io.adopt(near.take());
    int turns = 0;
    bool done = false;
    auto worker = [&]() -> Task<> {  // outlives the body
      while (!done) {
        ++turns;
        co_await io.yield();
      }
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(worker);
      for (int i = 0; i < 20; ++i) {
        const int before = turns;
        while (turns < before + 3) co_await io.yield();
        far.send("ping");
        auto chunk = co_await stream->receive();
        EXPECT_TRUE(chunk);
        if (!chunk) break;
        auto sent = co_await stream->send_all(chunk->bytes());
        EXPECT_TRUE(sent);
        EXPECT_EQ(far.read(4), "ping");
      }
      done = true;
    };
    io.run(with_task_group(io, body));
    EXPECT_GE(turns, 60);
  }
}

TEST(PollInterval, IsWokenByAnotherThread) {
  Io io = io_with(2ms);
  Event event;
  std::thread other([&] { event.set(); });
  auto body = [&]() -> Task<> { (void)co_await event.wait(io); };
  io.run(body());
  other.join();
}

}  // namespace
}  // namespace polyio::contract
