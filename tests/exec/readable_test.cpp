// readable() and process::join(): what ends a wait, that many can wait, and that nothing is left.
#include <fcntl.h>

#include <polyio/exec/join.hpp>
#include <polyio/exec/readable.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/process/pipe.hpp>

#include "fixture.hpp"

namespace polyio {
namespace {

using namespace exec_test;
using process::Connection;
using process::make_pipe;
using process::Process;

class Readable : public IoTest {};
POLYIO_ON_EVERY_MODEL(Readable);

TEST_P(Readable, EndsWhenTheDescriptorIsReadableAndTheLoopGoesOnMeanwhile) {
  os::Wakeup wakeup;
  run([&](TaskGroup& group) -> Task<> {
    bool ended = false;
    (void)group.spawn(
        [](Io& on, int fd, bool& is_ended) -> Task<> {
          auto ready = co_await readable(on, fd);
          EXPECT_TRUE(ready);
          is_ended = true;
        },
        io(), wakeup.fd(), ended);
    co_await turns(20);
    EXPECT_FALSE(ended);
    wakeup.signal();
    co_await until([&] { return ended; });
    auto at_once = co_await readable(io(), wakeup.fd());  // it is still readable
    EXPECT_TRUE(at_once);
  });
}

TEST_P(Readable, ACancelAndADeadlineEndTheWait) {
  os::Wakeup wakeup;
  run([&](TaskGroup&) -> Task<> {
    {
      CancelScope scope(io(), 5ms);
      auto ready = co_await readable(io(), wakeup.fd());
      EXPECT_TRUE(timed_out(ready));
    }
    CancelScope scope(io());
    scope.cancel();
    wakeup.signal();
    auto refused = co_await readable(io(), wakeup.fd());
    EXPECT_TRUE(cancelled(refused));
  });
}

TEST_P(Readable, ManyWaitForOneAndOneWaitsAgain) {
  os::Wakeup wakeup;
  run([&](TaskGroup& group) -> Task<> {
    int woken = 0;
    for (int i = 0; i < 20; ++i) {
      (void)group.spawn(
          [](Io& on, int fd, int& count) -> Task<> {
            auto ready = co_await readable(on, fd);
            EXPECT_TRUE(ready);
            ++count;
          },
          io(), wakeup.fd(), woken);
    }
    co_await turns(5);
    wakeup.signal();
    co_await until([&] { return woken == 20; });
    wakeup.drain();
    CancelScope scope(io(), 5ms);
    auto none = co_await readable(io(), wakeup.fd());
    EXPECT_TRUE(timed_out(none));
  });
}

// Two ends of a pipe(2), for reading and writing.
std::pair<os::UniqueFd, os::UniqueFd> open_pipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
}

Task<> count_when_readable(Io& io, int fd, int& count) {
  auto ready = co_await readable(io, fd);
  EXPECT_TRUE(ready);
  ++count;
}

TEST_P(Readable, APeerThatIsGoneEndsTheWaitOfAll) {
  auto [reading, writing] = open_pipe();
  run([&, from = reading.get(), &to = writing](TaskGroup& group) -> Task<> {
    int woken = 0;
    for (int i = 0; i < 3; ++i) (void)group.spawn(count_when_readable, io(), from, woken);
    co_await turns(5);
    EXPECT_EQ(woken, 0);
    to.reset();
    co_await until([&] { return woken == 3; });
    auto at_once = co_await readable(io(), from);
    EXPECT_TRUE(at_once);
  });
}

TEST_P(Readable, ACancelledWaitLeavesTheOthersOfTheSameDescriptor) {
  auto [reading, writing] = open_pipe();
  run([&, from = reading.get(), to = writing.get()](TaskGroup& group) -> Task<> {
    int woken = 0;
    (void)group.spawn(count_when_readable, io(), from, woken);
    co_await turns(5);
    {
      CancelScope scope(io(), 5ms);
      auto none = co_await readable(io(), from);
      EXPECT_TRUE(timed_out(none));
    }
    EXPECT_EQ(woken, 0);
    EXPECT_EQ(::write(to, "x", 1), 1);
    co_await until([&] { return woken == 1; });
  });
}

// The descriptor is shared, even with another process.
TEST_P(Readable, TheFlagsOfTheFileStayAsTheyAre) {
  auto [reading, writing] = open_pipe();
  run([&, from = reading.get(), to = writing.get()](TaskGroup& group) -> Task<> {
    const int before = ::fcntl(from, F_GETFL);
    int woken = 0;
    (void)group.spawn(count_when_readable, io(), from, woken);
    co_await turns(5);
    EXPECT_EQ(::fcntl(from, F_GETFL), before);
    EXPECT_EQ(::write(to, "x", 1), 1);
    co_await until([&] { return woken == 1; });
    EXPECT_EQ(::fcntl(from, F_GETFL), before);
  });
}

TEST_P(Readable, SocketsGoOnBesideIt) {
  auto [reading, writing] = open_pipe();
  run([&, from = reading.get(), to = writing.get()](TaskGroup& group) -> Task<> {
    auto listener = io().listen(*os::Address::parse("127.0.0.1:0"), 8).value();
    int woken = 0;
    (void)group.spawn(count_when_readable, io(), from, woken);
    (void)group.spawn(
        [](Listener& on) -> Task<> {
          auto stream = co_await on.accept();
          POLYIO_REQUIRE(stream);
          for (;;) {
            auto chunk = co_await stream->receive();
            if (!chunk || chunk->empty()) co_return;
            auto sent = co_await stream->send_all(chunk->bytes());
            EXPECT_TRUE(sent);
          }
        },
        listener);
    const os::Address address = listener.local_address().value();
    auto stream = co_await io().connect(address);
    POLYIO_REQUIRE(stream);
    for (int i = 0; i < 50; ++i) {
      if (i == 25) {
        EXPECT_EQ(::write(to, "x", 1), 1);
      }
      auto sent = co_await stream->send_all("ping");
      EXPECT_TRUE(sent);
      auto chunk = co_await stream->receive();
      EXPECT_TRUE(chunk && !chunk->empty());
    }
    co_await until([&] { return woken == 1; });
  });
}

// poll(2)'s answer, also where the mechanism itself would refuse such files.
TEST_P(Readable, ARegularFileAlwaysIs) {
  const os::UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  run([&](TaskGroup&) -> Task<> {
    auto ready = co_await readable(io(), file.get());
    EXPECT_TRUE(ready);
  });
}

TEST_P(Readable, WhatIsNotOpenIsAnError) {
  run([&](TaskGroup&) -> Task<> {
    auto none = co_await readable(io(), -1);
    EXPECT_TRUE(failed_with(none, std::errc::bad_file_descriptor));
  });
}

// --- processes ---

class Join : public IoTest {};
POLYIO_ON_EVERY_MODEL(Join);

void idle_child() {}
int end_when_told(Connection connection) { return connection.receive<int>().value_or(99); }

TEST_P(Join, EndsWithTheProcessAndTheLoopGoesOnMeanwhile) {
  auto pipe = make_pipe().value();
  Process child = Process::spawned({}, end_when_told, std::move(pipe.second));
  ASSERT_TRUE(child.start());
  run([&](TaskGroup& group) -> Task<> {
    bool ended = false;
    (void)group.spawn(
        [](Io& on, Process& process, bool& is_ended) -> Task<> {
          auto joined = co_await process::join(on, process);
          EXPECT_TRUE(joined);
          is_ended = true;
        },
        io(), child, ended);
    co_await turns(20);
    EXPECT_FALSE(ended);
    EXPECT_TRUE(pipe.first.send(5));
    co_await until([&] { return ended; });
    EXPECT_EQ(child.exitcode(), 5);
    auto again = co_await process::join(io(), child);
    EXPECT_TRUE(again);
  });
}

TEST_P(Join, ADeadlineEndsTheWaitAndNotTheProcess) {
  auto pipe = make_pipe().value();
  Process child = Process::spawned({}, end_when_told, std::move(pipe.second));
  run([&](TaskGroup&) -> Task<> {
    auto early = co_await process::join(io(), child);
    EXPECT_EQ(early.error(), process::Errc::not_started);
    EXPECT_TRUE(child.start());
    {
      CancelScope scope(io(), 5ms);
      auto joined = co_await process::join(io(), child);
      EXPECT_TRUE(timed_out(joined));
    }
    EXPECT_TRUE(child.is_alive());
    EXPECT_TRUE(child.kill());
    auto joined = co_await process::join(io(), child);
    EXPECT_TRUE(joined);
    EXPECT_EQ(child.exitcode(), -9);
  });
}

// In a process of its own, because a model that ran before may have left a thread for ever. Returns
// how often something was wrong.
int await_many() {
  int wrong = 0, ended = 0;
  Io io(make_driver("auto").value());
  io.run(with_task_group(io, [&](TaskGroup& group) -> Task<> {
    std::vector<Connection> told;
    for (int i = 0; i < 200; ++i) {
      auto pipe = make_pipe().value();
      told.push_back(std::move(pipe.first));
      Process child({.method = i < 190 ? process::Method::fork : process::Method::spawn},
                    end_when_told, std::move(pipe.second));
      wrong += !child.start();
      (void)group.spawn(
          [](Io& on, Process process, int code, int& bad, int& count) -> Task<> {
            auto joined = co_await process::join(on, process);
            bad += !joined || process.exitcode() != code;
            ++count;
          },
          io, std::move(child), i, wrong, ended);
    }
    auto yielded = co_await io.yield();
    (void)yielded;
    wrong += os::count_threads() != 1;
    Process meanwhile(idle_child);
    wrong += !meanwhile.start() || !meanwhile.join();
    for (int i = 199; i >= 0; --i) wrong += !told[static_cast<std::size_t>(i)].send(i);
    while (ended < 200) {
      auto slept = co_await io.sleep(1ms);
      (void)slept;
    }
    Process again(idle_child);
    wrong += !again.start() || !again.join();
  }));
  return wrong + (os::count_threads() != 1);
}

TEST(JoinMany, TwoHundredProcessesAreAwaitedAtOnceWithoutAThread) {
  Process apart = Process::spawned({}, await_many);
  ASSERT_TRUE(apart.start());
  ASSERT_TRUE(apart.join(monotonic_now() + 60s));
  EXPECT_EQ(apart.exitcode(), 0);
}

}  // namespace
}  // namespace polyio
