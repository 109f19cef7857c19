// Daemons end with their parent, however that ends; others are waited for.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class DaemonTest : public ProcessTest {};
POLYIO_BY_FORK_AND_SPAWN(DaemonTest);

void ignore_all_and_wait(Connection connection) {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_IGN);
  wait_for_ever(std::move(connection));
}

// A parent whose daemon has `connection`; the thread that started it has ended.
void guard(Connection connection, Method method, bool from_thread) {
  Process daemon(Options{.name = "guardian", .daemon = true, .method = method}, ignore_all_and_wait,
                 std::move(connection));
  Result<> started;
  if (from_thread) {
    std::thread([&] { started = daemon.start(); }).join();
  } else {
    started = daemon.start();
  }
  if (started) {
    for (;;) ::pause();
  }
}

// The test has the other end: its end of file is the daemon's death.
Nanoseconds time_to_die(Method parents, Method daemons, bool from_thread) {
  auto pipe = make_pipe().value();
  Process parent(Options{.method = parents}, guard, std::move(pipe.second), daemons, from_thread);
  EXPECT_TRUE(parent.start());
  const auto daemon = pipe.first.receive<pid_t>(soon());
  EXPECT_TRUE(daemon);
  if (!daemon) return Nanoseconds::max();
  EXPECT_FALSE(pipe.first.poll(monotonic_now() + 20ms).value_or(true));  // it lives
  const TimePoint killed = monotonic_now();
  EXPECT_TRUE(parent.kill());
  EXPECT_EQ(pipe.first.receive<int>(soon()).error(), polyio::Errc::end_of_file);
  const Nanoseconds took = monotonic_now() - killed;
  EXPECT_TRUE(parent.join(soon()));
  return took;
}

// The time is the claim here. The fastest of five is not the scheduler's doing; where each of them
// was slow because the machine is busy, more are tried.
TEST_P(DaemonTest, IsGoneWithin100MillisecondsOfItsParentsKill9) {
  Nanoseconds best = Nanoseconds::max();
  for (int i = 0; i < 5 || (i < 50 && best >= 100ms); ++i) {
    best = std::min(best, time_to_die(GetParam(), GetParam(), false));
  }
  EXPECT_LT(best, 100ms);
  RecordProperty("microseconds", static_cast<int>(best / 1us));
}

TEST_P(DaemonTest, LivesOnWhenTheThreadThatStartedItEndsAndDiesWithTheProcess) {
  time_to_die(GetParam(), Method::spawn, true);
}

// The write end of the daemon's lifeline is not its brother's: it dies all the same.
void leave_a_brother(Connection daemons, Connection brothers) {
  Process daemon(Options{.daemon = true}, ignore_all_and_wait, std::move(daemons));
  Process brother(say_and_wait, std::move(brothers));
  if (daemon.start() && brother.start()) ::kill(::getpid(), SIGKILL);
}

TEST_P(DaemonTest, DiesAlthoughABrotherOutlivesTheParent) {
  auto daemons = make_pipe().value(), brothers = make_pipe().value();
  Process parent(options(), leave_a_brother, std::move(daemons.second), std::move(brothers.second));
  ASSERT_TRUE(parent.start());
  ASSERT_TRUE(brothers.first.receive<pid_t>(soon()));
  auto last = daemons.first.receive<pid_t>(soon());  // it may not have got so far as to send it
  if (last) last = daemons.first.receive<pid_t>(soon());
  EXPECT_EQ(last.error(), polyio::Errc::end_of_file);
  ASSERT_TRUE(brothers.first.send(0));  // it lives
  EXPECT_EQ(brothers.first.receive<int>(soon()).error(), polyio::Errc::end_of_file);
  ASSERT_TRUE(parent.join(soon()));
  EXPECT_EQ(parent.exitcode(), -SIGKILL);
}

int start_one() {
  Process child(idle);
  return child.start().error() == Errc::daemon_has_children ? 0 : 1;
}

TEST_P(DaemonTest, HasNoChildren) {
  Process daemon(options("daemon", true), start_one);
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(daemon.join(soon()));
  EXPECT_EQ(daemon.exitcode(), 0);
}

int start_and_return(Connection daemons, Connection others, Method method) {
  Process daemon(Options{.daemon = true, .method = method}, ignore_all_and_wait,
                 std::move(daemons));
  Process other(Options{.method = method}, say_and_wait, std::move(others));
  return daemon.start() && other.start() ? 4 : 1;
}

TEST_P(DaemonTest, AtTheProgramsEndDaemonsAreKilledAndTheOthersAwaited) {
  auto daemons = make_pipe().value(), others = make_pipe().value();
  Process parent(options(), start_and_return, std::move(daemons.second), std::move(others.second),
                 GetParam());
  ASSERT_TRUE(parent.start());
  ASSERT_TRUE(others.first.receive<pid_t>(soon()));
  EXPECT_EQ(parent.join(monotonic_now() + 20ms).error(), std::errc::timed_out);  // it waits
  ASSERT_TRUE(others.first.send(0));
  ASSERT_TRUE(parent.join(soon()));
  EXPECT_EQ(parent.exitcode(), 4);
  auto last = daemons.first.receive<pid_t>(soon());  // it may not have got so far as to send it
  if (last) last = daemons.first.receive<pid_t>(soon());
  EXPECT_EQ(last.error(), polyio::Errc::end_of_file);
}

}  // namespace
}  // namespace polyio::process
