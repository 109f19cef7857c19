#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <set>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class StateTest : public ProcessTest {};
INSTANTIATE_TEST_SUITE_P(By, StateTest, testing::Values(Method::fork), method_name);

constexpr std::array all{State::created, State::ready,   State::running,
                         State::blocked, State::stopped, State::terminated};

TEST(States, TheDiagramsArrowsAreLegalAndNoOthers) {
  using enum State;
  const std::set<std::pair<State, State>> arrows{
      {created, ready},      {ready, running},      {running, ready},   {running, blocked},
      {blocked, ready},      {running, terminated}, {ready, stopped},   {running, stopped},
      {blocked, stopped},    {stopped, ready},      {stopped, blocked}, {ready, terminated},
      {blocked, terminated}, {stopped, terminated}};
  for (const State from : all) {
    for (const State to : all) {
      EXPECT_EQ(is_legal(from, to), arrows.contains({from, to}))
          << to_string(from) << " -> " << to_string(to);
    }
    EXPECT_EQ(is_reachable(from, created), from == created);
    EXPECT_EQ(is_reachable(terminated, from), from == terminated);
    EXPECT_TRUE(is_reachable(from, terminated));
  }
}

// Computes for ever, on the CPU we are on.
void compute(Connection connection) {
  (void)connection.send(::getpid());
  for (std::atomic<unsigned> turn = 0;; ++turn) {
  }
}
// Waits for a message, again and again, until a number below zero.
void wait_often(Connection connection) {
  while (connection.receive<int>().value_or(-1) >= 0) (void)connection.send(0);
}

// What an observer sees from now on until `wanted` is seen, each step checked.
std::optional<Status> watch(Process& process, State wanted) {
  std::optional<Status> seen;
  const bool came = eventually([&] {
    const auto now = state_of(*process.pid());
    if (!now) return wanted == State::terminated;
    if (seen) {
      EXPECT_TRUE(is_reachable(seen->state, now->state))
          << to_string(seen->state) << " -> " << to_string(now->state);
      EXPECT_GE(now->voluntary, seen->voluntary);
      EXPECT_GE(now->involuntary, seen->involuntary);
      EXPECT_GE(now->cpu, seen->cpu);
    }
    seen = *now;
    return now->state == wanted;
  });
  EXPECT_TRUE(came) << to_string(wanted);
  return seen;
}

TEST_P(StateTest, AWaitingProcessIsBlockedAndGivesTheCpuUpItself) {
  auto pipe = make_pipe().value();
  Process process(wait_often, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  const auto before = watch(process, State::blocked);
  ASSERT_TRUE(before);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(pipe.first.send(i));
    ASSERT_TRUE(pipe.first.receive<int>(soon()));
    ASSERT_TRUE(watch(process, State::blocked));  // or the next message would be there before it is
  }
  const auto after = watch(process, State::blocked);
  ASSERT_TRUE(after);
  EXPECT_GE(after->voluntary - before->voluntary, 100u);
  ASSERT_TRUE(pipe.first.send(-1));
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.state(), State::terminated);
}

// Two that compute on one CPU: each runs, is ready and runs again, and the CPU is taken from both.
TEST_P(StateTest, AComputingProcessIsReadyOrRunningAndTheCpuIsTakenFromIt) {
  cpu_set_t before, one;
  ::sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  ::sched_setaffinity(0, sizeof one, &one);  // the children keep it
  auto first = make_pipe().value(), second = make_pipe().value();
  Process a(compute, std::move(first.second)), b(compute, std::move(second.second));
  const bool started = a.start() && b.start();
  ::sched_setaffinity(0, sizeof before, &before);
  ASSERT_TRUE(started);
  const auto early = watch(a, State::ready);
  ASSERT_TRUE(early);
  if (CPU_COUNT(&before) > 1) {  // on one CPU, only we run while we look
    watch(a, State::running);
    watch(b, State::running);
  }
  watch(b, State::ready);
  ASSERT_TRUE(eventually([&] {
    const auto now = state_of(*a.pid());
    return now && now->involuntary > early->involuntary + 5 && now->waiting > early->waiting;
  }));
  const auto late = state_of(*a.pid());
  ASSERT_TRUE(late);
  EXPECT_EQ(late->voluntary, early->voluntary);
  EXPECT_GT(late->cpu, early->cpu);

  ASSERT_TRUE(a.send_signal(SIGSTOP));
  watch(a, State::stopped);
  EXPECT_EQ(a.state(), State::stopped);
  ASSERT_TRUE(a.send_signal(SIGCONT));
  watch(a, State::ready);
  ASSERT_TRUE(a.kill());
  ASSERT_TRUE(b.kill());
  ASSERT_TRUE(a.join(soon()));
  ASSERT_TRUE(b.join(soon()));
}

TEST_P(StateTest, ThereIsNoStateOfAProcessThatIsNotThere) {
  Process process(idle);
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(state_of(*process.pid()).error(), std::errc::no_such_process);
  EXPECT_EQ(state_of(::getpid())->state, State::running);
}

}  // namespace
}  // namespace polyio::process
