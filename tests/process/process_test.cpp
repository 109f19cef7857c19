#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <map>
#include <stdexcept>
#include <thread>

#include "fixture.hpp"

namespace polyio::process {
namespace {

POLYIO_BY_FORK_AND_SPAWN(ProcessTest);

int add(int a, int b) { return a + b; }
void fail_with(std::string text) { throw std::runtime_error(text); }
void throw_a_number() { throw 7; }

void send_back(Connection connection, std::string text, std::map<int, std::vector<double>> map,
               std::optional<std::string> none) {
  (void)connection.send(std::tuple(text, map, none));
}

TEST_P(ProcessTest, RunsAFunctionWithItsArguments) {
  auto pipe = make_pipe().value();
  const std::map<int, std::vector<double>> map{{1, {2.5}}, {2, {}}};
  Process process(options(), send_back, std::move(pipe.second), "text", map, std::nullopt);
  ASSERT_TRUE(process.start());
  using Sent =
      std::tuple<std::string, std::map<int, std::vector<double>>, std::optional<std::string>>;
  const auto got = pipe.first.receive<Sent>(soon());
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, Sent("text", map, std::nullopt));
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 0);
}

TEST_P(ProcessTest, ExitCodeIsWhatTheFunctionReturns) {
  Process function(options(), add, 3, 4);
  Process lambda(options(), [](int code) { return code; }, 9);
  EXPECT_FALSE(function.exitcode());
  ASSERT_TRUE(function.start());
  ASSERT_TRUE(lambda.start());
  ASSERT_TRUE(function.join(soon()));
  ASSERT_TRUE(lambda.join(soon()));
  EXPECT_EQ(function.exitcode(), 7);
  EXPECT_EQ(lambda.exitcode(), 9);
}

TEST_P(ProcessTest, ExitCodeIsMinus15AfterTerminateAndIsAliveFalseAfterJoin) {
  auto pipe = make_pipe().value();
  Process process(options(), wait_for_ever, std::move(pipe.second));
  EXPECT_FALSE(process.is_alive());
  ASSERT_TRUE(process.start());
  EXPECT_EQ(pipe.first.receive<pid_t>(soon()).value_or(0), process.pid());
  EXPECT_TRUE(process.is_alive());
  EXPECT_FALSE(process.exitcode());
  ASSERT_TRUE(process.terminate());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_FALSE(process.is_alive());
  EXPECT_EQ(process.exitcode(), -15);
  EXPECT_TRUE(process.terminate());  // of one that has ended: nothing
  EXPECT_EQ(process.exitcode(), -15);
}

TEST_P(ProcessTest, ExitCodeIsMinus9AfterKill) {
  auto pipe = make_pipe().value();
  Process process(options(), wait_for_ever, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.kill());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), -9);
  EXPECT_EQ(process.state(), State::terminated);
}

TEST_P(ProcessTest, AnExceptionIsExitCode1AndItsTextOnStderr) {
  testing::internal::CaptureStderr();
  Process process(options("Broken"), fail_with, "no luck");
  Process number(options("Odd"), throw_a_number);
  const bool started = process.start() && number.start();
  const bool joined = started && process.join(soon()) && number.join(soon());
  const std::string text = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(joined);
  EXPECT_EQ(process.exitcode(), 1);
  EXPECT_EQ(number.exitcode(), 1);
  EXPECT_NE(text.find("Broken: no luck\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Odd: an exception of unknown type\n"), std::string::npos) << text;
}

TEST_P(ProcessTest, JoinEndsAtItsDeadlineAndTheProcessGoesOn) {
  auto pipe = make_pipe().value();
  Process process(options(), say_and_wait, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  EXPECT_EQ(process.join(monotonic_now()).error(), std::errc::timed_out);
  EXPECT_EQ(process.join(monotonic_now() + 5ms).error(), std::errc::timed_out);
  EXPECT_EQ(process.join(Deadline::min()).error(), std::errc::timed_out);
  EXPECT_TRUE(process.is_alive());
  ASSERT_TRUE(pipe.first.send(5));
  ASSERT_TRUE(process.join(soon()));
  ASSERT_TRUE(process.join());  // again
  EXPECT_EQ(process.exitcode(), 5);
}

TEST_P(ProcessTest, WhatMakesNoSenseIsAnErrorThatSaysSo) {
  Process process(options(), idle);
  EXPECT_EQ(process.join().error(), Errc::not_started);
  EXPECT_EQ(process.terminate().error(), Errc::not_started);
  EXPECT_FALSE(process.pid());
  EXPECT_EQ(process.state(), State::created);
  EXPECT_TRUE(process.set_daemon(true));
  EXPECT_TRUE(process.set_daemon(false));
  EXPECT_TRUE(process.set_name("renamed"));
  ASSERT_TRUE(process.start());
  EXPECT_EQ(process.set_daemon(true).error(), Errc::too_late);
  EXPECT_EQ(process.set_name("late").error(), Errc::too_late);
  EXPECT_EQ(process.start().error(), Errc::already_started);
  EXPECT_NE(process.start().error().message().find("started already"), std::string::npos);
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.start().error(), Errc::already_started);
  EXPECT_EQ(process.name(), "renamed");
}

// None may go on before all three have said that they are there.
TEST_P(ProcessTest, ThreeRunAtTheSameTime) {
  std::vector<Process> processes;
  std::vector<Connection> connections;
  for (int i = 0; i < 3; ++i) {
    auto pipe = make_pipe().value();
    connections.push_back(std::move(pipe.first));
    processes.emplace_back(options(), say_and_wait, std::move(pipe.second));
    ASSERT_TRUE(processes.back().start());
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(connections[i].receive<pid_t>(soon()).value_or(0), processes[i].pid());
  EXPECT_EQ(active_children().size(), 3u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(connections[i].send(i));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(processes[i].join(soon()));
    EXPECT_EQ(processes[i].exitcode(), i);
  }
}

int global = 1;
void change_global(Connection connection) {
  global += 100;
  (void)connection.send(global);
}

TEST_P(ProcessTest, TheChildsVariablesAreItsOwn) {
  auto pipe = make_pipe().value();
  Process process(options(), change_global, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  EXPECT_EQ(pipe.first.receive<int>(soon()), 101);
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(global, 1);
}

void tell_who(Connection connection) {
  const Current me = current_process();
  (void)connection.send(std::tuple(me.name, me.pid, me.parent_pid, me.daemon));
}

TEST_P(ProcessTest, TheChildKnowsItsNameItsPidAndItsParents) {
  using Who = std::tuple<std::string, pid_t, pid_t, bool>;
  EXPECT_EQ(current_process().name, "MainProcess");
  EXPECT_EQ(current_process().pid, ::getpid());
  for (const bool daemon : {false, true}) {
    auto pipe = make_pipe().value();
    Process process(options("worker", daemon), tell_who, std::move(pipe.second));
    ASSERT_TRUE(process.start());
    EXPECT_EQ(pipe.first.receive<Who>(soon()), Who("worker", *process.pid(), ::getpid(), daemon));
    ASSERT_TRUE(process.join(soon()));
  }
  EXPECT_EQ(Process(options(), idle).name().substr(0, 8), "Process-");
}

TEST_P(ProcessTest, ActiveChildrenAreThoseThatHaveNotEnded) {
  auto pipe = make_pipe().value();
  Process process(options("one"), say_and_wait, std::move(pipe.second));
  EXPECT_TRUE(active_children().empty());
  ASSERT_TRUE(process.start());
  const auto active = active_children();
  ASSERT_EQ(active.size(), 1u);
  EXPECT_EQ(active[0].name, "one");
  EXPECT_EQ(active[0].pid, process.pid());
  EXPECT_FALSE(active[0].daemon);
  ASSERT_TRUE(pipe.first.send(0));
  ASSERT_TRUE(process.join(soon()));
  EXPECT_TRUE(active_children().empty());
}

// The parent gives the arguments up once the child has them, so the end of file comes from the
// child.
TEST_P(ProcessTest, TheArgumentsLiveInTheChildAlone) {
  auto pipe = make_pipe().value();
  Process process(options(), say_and_wait, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(pipe.first.receive<pid_t>(soon()));
  ASSERT_TRUE(process.kill());
  EXPECT_EQ(pipe.first.receive<int>(soon()).error(), polyio::Errc::end_of_file);
  ASSERT_TRUE(process.join(soon()));
}

TEST_P(ProcessTest, OneWhoseObjectIsDestroyedGoesOnAndIsReaped) {
  auto pipe = make_pipe().value();
  {
    Process process(options("left alone"), say_and_wait, std::move(pipe.second));
    ASSERT_TRUE(process.start());
  }
  ASSERT_TRUE(pipe.first.receive<pid_t>(soon()));
  ASSERT_EQ(active_children().size(), 1u);
  EXPECT_EQ(active_children()[0].name, "left alone");
  ASSERT_TRUE(pipe.first.send(0));
  EXPECT_TRUE(eventually(childless));  // nothing that reaps has been called
}

TEST_P(ProcessTest, WithoutADescriptorStartIsAnErrorAndLaterWorks) {
  Process process(options("poor", true), add, 1, 1);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  Result<> started;
  rlim_t room = 3;  // for the standard ones
  for (;; ++room) {
    const rlimit few{room, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    started = process.start();
    ::setrlimit(RLIMIT_NOFILE, &before);
    if (started || room == before.rlim_cur) break;
    EXPECT_EQ(started.error(), std::errc::too_many_files_open);
  }
  EXPECT_GT(room, 3u);
  ASSERT_TRUE(started);
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 2);
}

// As a user at the limit of processes, which does not hold for root.
int start_without_room(Method method) {
  if (::setuid(65534) != 0) return 77;
  rlimit many{};
  ::getrlimit(RLIMIT_NPROC, &many);
  const rlimit none{0, many.rlim_max};
  ::setrlimit(RLIMIT_NPROC, &none);
  Process process(Options{.method = method}, add, 1, 1);
  const auto refused = process.start();
  if (refused || refused.error() != std::errc::resource_unavailable_try_again) return 1;
  ::setrlimit(RLIMIT_NPROC, &many);
  if (!process.start() || !process.join(soon())) return 2;
  return process.exitcode() == 2 ? 0 : 3;
}

TEST_P(ProcessTest, WithoutAProcessStartIsAnErrorAndLaterWorks) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  Process process(start_without_room, GetParam());
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 0);
}

int ask_about(int* process) {
  auto& parents = *reinterpret_cast<Process*>(process);
  if (parents.is_alive() || parents.join().error() != Errc::not_our_child) return 1;
  return parents.terminate().error() == Errc::not_our_child ? 0 : 2;
}

class ForkTest : public ProcessTest {};
INSTANTIATE_TEST_SUITE_P(By, ForkTest, testing::Values(Method::fork), method_name);
class SpawnTest : public ProcessTest {};
INSTANTIATE_TEST_SUITE_P(By, SpawnTest, testing::Values(Method::spawn), method_name);

TEST_P(ForkTest, AnothersChildCantBeJoinedOrKilled) {
  auto pipe = make_pipe().value();
  Process first(options(), say_and_wait, std::move(pipe.second));
  ASSERT_TRUE(first.start());
  Process second(options(), ask_about, reinterpret_cast<int*>(&first));
  ASSERT_TRUE(second.start());
  ASSERT_TRUE(second.join(soon()));
  EXPECT_EQ(second.exitcode(), 0);
  ASSERT_TRUE(pipe.first.send(0));
  ASSERT_TRUE(first.join(soon()));
}

class Doubler : public Process {
 public:
  explicit Doubler(int number) : Process(Options{.name = "doubler"}), number_(number) {}
  Doubler(int number, Method method) : Process(Options{.method = method}), number_(number) {}

 protected:
  int run() override { return 2 * number_; }

 private:
  int number_;
};

TEST_P(ForkTest, ASubclassRunsItsRun) {
  Doubler process(21);
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 42);
}

TEST_P(ForkTest, ALambdaSeesWhatItCapturesAsItWas) {
  int number = 5;
  Process process(options(), [&number] { return ++number; });
  number = 6;
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 7);
  EXPECT_EQ(number, 6);
}

TEST_P(ForkTest, IsRefusedWhileAnotherThreadRunsAndSpawnIsNot) {
  auto hold = make_pipe().value();
  std::thread other([&] { (void)hold.second.receive<int>(soon()); });
  Process forked(options(), add, 1, 2);
  const auto refused = forked.start();
  EXPECT_EQ(refused.error(), Errc::threads_running);
  EXPECT_EQ(refused.error(), std::errc::device_or_resource_busy);
  Process spawned(Options{.method = Method::spawn}, add, 1, 2);
  EXPECT_TRUE(spawned.start());
  EXPECT_TRUE(spawned.join(soon()));
  EXPECT_EQ(spawned.exitcode(), 3);
  EXPECT_TRUE(hold.first.send(0));
  other.join();
  ASSERT_TRUE(forked.start());
  ASSERT_TRUE(forked.join(soon()));
}

TEST_P(ForkTest, BufferedOutputIsWrittenOnce) {
  testing::internal::CaptureStdout();
  std::printf("before;");  // still in the buffer, which the child gets a copy of
  Process process(options(), [] { std::printf("child;"); });
  const bool joined = process.start() && process.join(soon());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "before;child;");
  EXPECT_TRUE(joined);
}

TEST_P(SpawnTest, WhatHasStateHereIsRefusedByName) {
  int number = 5;
  Process capture(options(), [number] { return number; });
  EXPECT_EQ(capture.start().error(), Errc::target_not_sendable);
  Doubler subclass(1, Method::spawn);
  EXPECT_EQ(subclass.start().error(), Errc::target_not_sendable);
  Process pointer(options(), [](const int* where) { return *where; }, &number);
  EXPECT_EQ(pointer.start().error(), Errc::argument_not_sendable);
  EXPECT_NE(pointer.start().error().message().find("serialize()"), std::string::npos);
}

TEST_P(SpawnTest, StartsFromManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        Process process = Process::spawned({}, add, i, j);
        if (process.start() && process.join(soon()) && process.exitcode() == i + j) ++right;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 20);
}

TEST_P(SpawnTest, AMegabyteOfArgumentsArrives) {
  const std::vector<int> numbers(1 << 20, 1);
  Process process(
      options(), [](std::vector<int> all) { return all.size() == 1 << 20 ? 0 : 1; }, numbers);
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 0);
}

}  // namespace
}  // namespace polyio::process
