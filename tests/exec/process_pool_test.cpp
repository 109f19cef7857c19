// ProcessPoolExecutor: what only processes have: deaths, kills, timeouts, memory that is not
// shared. The rest of its contract is executor_test.cpp's.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <polyio/process/process.hpp>

#include "pool_cases.hpp"

namespace polyio {
namespace {

using namespace exec_test;
using process::Errc::worker_died;

ProcessPoolOptions spawned(unsigned workers) { return OnProcesses::options(workers); }
pid_t pid_of_worker() { return ::getpid(); }
int crash() { return std::raise(SIGKILL); }
// Field 3 of proc_pid_stat(5), 0: no such process.
char letter_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const auto at = stat.rfind(')');
  return at == std::string::npos ? '\0' : stat[at + 2];
}
bool has_gone(pid_t pid) { return letter_of(pid) == '\0' || letter_of(pid) == 'Z'; }

TEST(ProcessPoolTest, TheWorkersStayTheSame) {
  ProcessPoolExecutor pool(spawned(3));
  auto pids = pool.pids();
  ASSERT_EQ(pids.size(), 3u);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(std::ranges::count(pids, *pool.submit(pid_of_worker).result()));
  }
  EXPECT_EQ(pool.pids(), pids);
  EXPECT_EQ(pool.replaced(), 0u);
  EXPECT_FALSE(std::ranges::count(pids, ::getpid()));
}

TEST(ProcessPoolTest, ADeathFailsItsTaskAloneAndTheWorkerIsReplaced) {
  ProcessPoolExecutor pool(spawned(1));
  const auto before = pool.pids();
  const auto first = pool.submit(crash), second = pool.submit(add, 1, 1);
  const auto result = first.result();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), worker_died);
  EXPECT_EQ(result.error().message(),
            "the worker process died while it ran this: a crash, or killed from outside");
  EXPECT_EQ(second.result(), 2);
  EXPECT_EQ(pool.replaced(), 1u);
  EXPECT_NE(pool.pids(), before);
}

TEST(ProcessPoolTest, OfFortyTasksOneIsKilledAndThirtyNineHaveResults) {
  ProcessPoolExecutor pool(spawned(4));
  Door door;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 40; ++i) {
    futures.push_back(pool.submit(
        [](int n, const Door& of) {
          if (n == 17) pass(of);
          return n;
        },
        i, door));
  }
  ASSERT_TRUE(begun(door));
  ::kill(door->pid, SIGKILL);
  std::vector<int> results;
  int failed = 0;
  for (const auto& future : futures) {
    const auto result = future.result();
    if (result) {
      results.push_back(*result);
    } else {
      EXPECT_EQ(result.error(), worker_died);
      ++failed;
    }
  }
  EXPECT_EQ(results.size(), 39u);
  EXPECT_FALSE(std::ranges::count(results, 17));
  EXPECT_EQ(failed, 1);
}

TEST(ProcessPoolTest, ATaskIsBegunAgainAsOftenAsItMayBe) {
  ProcessPoolExecutor pool(spawned(1));
  const auto dies_twice = [](const Door& door) {
    if (++door->begun < 3) crash();
    return door->begun.load();
  };
  Door door, other;
  EXPECT_EQ(pool.submit({.retries = 2}, dies_twice, door).result(), 3);
  const auto gave_up = pool.submit({.retries = 1}, dies_twice, other).result();
  EXPECT_EQ(gave_up.error(), worker_died);
  EXPECT_EQ(other->begun, 2);
}

TEST(ProcessPoolTest, ATaskPastItsTimeIsEndedAndTheWorkerIsFree) {
  ProcessPoolExecutor pool(spawned(1));
  Door door;
  const auto late = pool.submit({.timeout = 20ms}, pass, door);
  const auto next = pool.submit({.timeout = 60s}, add, 1, 1);
  EXPECT_TRUE(timed_out(late.result()));
  EXPECT_TRUE(late.done());
  EXPECT_EQ(next.result(), 2);
  EXPECT_EQ(door->passed, 0);
  EXPECT_EQ(pool.replaced(), 1u);
}

TEST(ProcessPoolTest, KillEndsATaskWhereverItIs) {
  HeldPool<OnProcesses> held;
  const auto in_line = held.pool.submit(add, 1, 1), last = held.pool.submit(add, 2, 2);
  EXPECT_TRUE(held.pool.kill(in_line));
  EXPECT_TRUE(held.pool.kill(held.first));
  EXPECT_TRUE(cancelled(held.first.result()));
  EXPECT_TRUE(in_line.cancelled() && held.first.cancelled());
  EXPECT_EQ(last.result(), 4);
  EXPECT_EQ(held.door->passed, 0);
  EXPECT_FALSE(held.pool.kill(last)) << "it has ended";
  Promise<int> promise;
  EXPECT_FALSE(held.pool.kill(promise.future())) << "it is not the pool's";
}

// Stops a worker, and has tasks done until the pool knows it.
void stop_one(ProcessPoolExecutor& pool, pid_t& stopped) {
  stopped = pool.pids()[0];
  ::kill(stopped, SIGSTOP);
  ASSERT_TRUE(test::eventually([&] { return letter_of(stopped) == 'T'; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(pool.submit(add, i, 1).result(), i + 1);
}

// A worker that is stopped while it is idle, or in a task, holds up that task at most.
TEST(ProcessPoolTest, AStoppedWorkerHoldsUpNoOther) {
  ProcessPoolExecutor pool(spawned(2));
  pid_t stopped = 0;
  ASSERT_NO_FATAL_FAILURE(stop_one(pool, stopped));
  std::vector<Future<int>> many;
  for (int i = 0; i < 500; ++i) many.push_back(pool.submit(add, i, 1));
  EXPECT_EQ(wait(many, test::far_away()).size(), 500u);
  ::kill(stopped, SIGCONT);
  Door door;  // both are needed
  const std::vector both{pool.submit(pass, door), pool.submit(pass, door)};
  EXPECT_TRUE(begun(door, 2));
  door->open = 1;
  EXPECT_EQ(wait(both).size(), 2u);
}

// What was taken back from behind a long task waits for the worker that was stopped, however late
// that goes on.
TEST(ProcessPoolTest, AWorkerThatGoesOnTakesWhatWaits) {
  ProcessPoolExecutor pool(spawned(2));
  pid_t stopped = 0;
  ASSERT_NO_FATAL_FAILURE(stop_one(pool, stopped));
  Door door;
  const std::vector both{pool.submit(pass, door), pool.submit(pass, door)};
  EXPECT_TRUE(begun(door, 1));
  EXPECT_TRUE(test::eventually([&] { return pool.waiting() == 1; }));
  ::kill(stopped, SIGCONT);
  EXPECT_TRUE(begun(door, 2));
  EXPECT_EQ(door->passed, 0) << "it waited for the long one";
  door->open = 1;
  EXPECT_EQ(wait(both).size(), 2u);
}

// Tasks that were handed ahead, because they used to be short, do not wait behind a long one.
TEST(ProcessPoolTest, ALongTaskHoldsUpNoShortOne) {
  ProcessPoolExecutor pool(spawned(2));
  std::vector<Future<int>> warm;
  for (int i = 0; i < 500; ++i) warm.push_back(pool.submit(add, i, 1));
  EXPECT_EQ(wait(warm).size(), 500u);
  Door door;
  const auto is_long = pool.submit(pass, door);
  std::vector<Future<int>> many;
  for (int i = 0; i < 200; ++i) many.push_back(pool.submit(add, i, 1));
  EXPECT_EQ(wait(many, test::far_away()).size(), 200u);
  EXPECT_FALSE(is_long.done());
  door->open = 1;
  EXPECT_TRUE(is_long.result());
}

TEST(ProcessPoolTest, LargeTasksAndResultsHaveALimit) {
  ProcessPoolOptions options = spawned(1);
  options.largest = 64 * 1024;
  ProcessPoolExecutor pool(options);
  const auto twice = [](const std::string& text) { return text + text; };
  const std::string fits(30'000, 'x'), result_does_not(60'000, 'x'), does_not(70'000, 'x');
  EXPECT_EQ(pool.submit(twice, fits).result()->size(), 60'000u);
  EXPECT_TRUE(failed_with(pool.submit(twice, result_does_not).result(), std::errc::message_size));
  EXPECT_TRUE(failed_with(pool.try_submit(twice, does_not), std::errc::message_size));
  std::vector<Future<std::string>> many;  // more than the queues hold
  for (int i = 0; i < 100; ++i) many.push_back(pool.submit(twice, fits));
  for (const auto& one : many) EXPECT_EQ(one.result()->size(), 60'000u);
}

// What was handed to a dead worker fills its queue, until the next one has thrown it away.
TEST(ProcessPoolTest, ADeathWithAFullQueueHoldsUpNothing) {
  ProcessPoolOptions options = spawned(1);
  options.largest = 64 * 1024;
  ProcessPoolExecutor pool(options);
  std::vector<Future<int>> warm;
  for (int i = 0; i < 200; ++i) warm.push_back(pool.submit(add, i, 1));
  EXPECT_EQ(wait(warm).size(), 200u);
  const auto size_or_crash = [](const std::string& text, bool dies) {
    if (dies) crash();
    return text.size();
  };
  const std::string text(50'000, 'x');
  std::vector<Future<std::size_t>> many;
  for (int i = 0; i < 200; ++i) many.push_back(pool.submit(size_or_crash, text, i % 20 == 19));
  ASSERT_EQ(wait(many, test::far_away()).size(), 200u);
  for (std::size_t i = 0; i < many.size(); ++i) {
    const auto result = many[i].result();
    if (i % 20 == 19) {
      EXPECT_EQ(result.error(), worker_died);
    } else {
      EXPECT_EQ(result, text.size());
    }
  }
}

TEST(ProcessPoolTest, WhatTheWorkerThrowsComesWithItsWords) {
  ProcessPoolExecutor pool(spawned(1));
  const auto thrown = [&](auto function) -> std::string {
    // Kept, for TSan sees nothing of the exception's own count of its users.
    const auto future = pool.submit(function);
    try {
      (void)future.result();
      return "nothing";
    } catch (const RemoteException& error) {
      return error.what();
    }
  };
  EXPECT_EQ(thrown([] { throw std::domain_error("of zero"); }), "of zero");
  EXPECT_EQ(thrown([] { throw 5; }), "an exception of unknown type");
  const std::error_code ours = make_error_code(process::Errc::too_late);
  EXPECT_EQ(pool.submit([]() -> Result<> { return process::fail(process::Errc::too_late); })
                .result()
                .error(),
            ours);
  EXPECT_EQ(pool.replaced(), 0u);
}

TEST(ProcessPoolTest, AFunctionOfAPlugInIsRefused) {
  ProcessPoolExecutor pool(spawned(1));
  EXPECT_EQ(pool.submit(&::getppid).result().error(), process::Errc::target_not_sendable);
}

TEST(ProcessPoolTest, ForkNeedsAProcessWithoutThreads) {
  ProcessPoolExecutor pool(spawned(1));  // has a thread
  try {
    ProcessPoolExecutor another({.workers = 1});
    ADD_FAILURE() << "it was started";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), process::Errc::threads_running);
  }
  EXPECT_THROW(ProcessPoolExecutor(ProcessPoolOptions{.workers = 129}), std::system_error);
}

// The test's own process may have threads, so the pool is made in a child that has none.
int pool_by_fork() {
  ProcessPoolExecutor pool({.workers = 2});
  int sum = 0;
  for (const Result<int>& one : pool.map([](int n) { return 2 * n; }, std::views::iota(0, 100))) {
    sum += *one;
  }
  const bool crashed = pool.submit(crash).result().error() == worker_died;
  return sum == 9900 && crashed && pool.submit(add, 1, 1).result() == 2 ? 0 : 1;
}
TEST(ProcessPoolTest, ByForkItNeedsNoBegin) {
  process::Process child = process::Process::spawned({}, pool_by_fork);
  ASSERT_TRUE(child.start());
  ASSERT_TRUE(child.join(test::far_away()));
  EXPECT_EQ(child.exitcode(), 0);
}

int pool_that_waits(ipc::Shared<std::array<std::atomic<pid_t>, 3>> told, Door door) {
  ProcessPoolExecutor pool(spawned(2));
  const auto pids = pool.pids();
  (*told)[0] = pids[0];
  (*told)[1] = pids[1];
  const auto busy = pool.submit(pass, door);
  std::ifstream status("/proc/" + std::to_string(pids[0]) + "/stat");
  std::string stat;
  std::getline(status, stat);
  (*told)[2] = std::stoi(stat.substr(stat.rfind(')') + 4));  // the zygote
  return busy.result() ? 0 : 1;
}
TEST(ProcessPoolTest, TheParentsDeathEndsTheWorkers) {
  ipc::Shared<std::array<std::atomic<pid_t>, 3>> told;
  Door door;
  process::Process child = process::Process::spawned({}, pool_that_waits, told, door);
  ASSERT_TRUE(child.start());
  ASSERT_TRUE(begun(door));
  ASSERT_TRUE(test::eventually([&] { return (*told)[2] != 0; }));
  ASSERT_TRUE(child.kill());
  for (const auto& pid : *told) EXPECT_TRUE(test::eventually([&] { return has_gone(pid); }));
}

TEST(ProcessPoolTest, WithoutItsZygoteAllFailsInsteadOfWaiting) {
  HeldPool<OnProcesses> held;
  const auto in_line = held.pool.submit(add, 1, 1);
  for (const auto& child : process::active_children()) {
    if (child.name == "Zygote") ::kill(child.pid, SIGKILL);
  }
  EXPECT_EQ(held.first.result().error(), worker_died);
  EXPECT_EQ(in_line.result().error(), worker_died);
  EXPECT_EQ(held.pool.submit(add, 1, 1).result().error(), worker_died);
}

TEST(ProcessPoolTest, InAnotherProcessItIsRefused) {
  ProcessPoolExecutor pool(spawned(1));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto tried = pool.try_submit(add, 1, 1);
    ::_exit(!tried && tried.error() == process::Errc::not_our_child ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// How often the pool's own thread has slept.
std::string sleeps_of_the_thread() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "status");
    std::string line, name;
    std::getline(file, name);
    if (!name.ends_with("process-pool")) continue;
    while (std::getline(file, line) && !line.starts_with("voluntary")) {
    }
    return line;
  }
  return "none";
}
TEST(ProcessPoolTest, AnIdlePoolTakesNoProcessorTime) {
  ProcessPoolExecutor pool(spawned(2));
  EXPECT_EQ(pool.submit(add, 1, 1).result(), 2);
  const auto computed = [&] {
    Nanoseconds sum{0};
    for (const pid_t pid : pool.pids()) sum += process::state_of(pid)->cpu;
    return sum;
  };
  EXPECT_NE(sleeps_of_the_thread(), "none");
  EXPECT_TRUE(test::eventually([&] {
    const auto sleeps = sleeps_of_the_thread();
    const auto before = computed();
    ::usleep(100'000);
    return sleeps_of_the_thread() == sleeps && computed() - before < 2ms;
  }));
}

TEST(ProcessPoolTest, NoDescriptorAndNoProcessIsLeft) {
  {
    ProcessPoolExecutor first(spawned(1));
  }
  const auto before = test::open_fds();
  std::vector<pid_t> pids;
  {
    ProcessPoolExecutor pool(spawned(3));
    (void)pool.submit(crash).result();
    EXPECT_EQ(pool.submit(add, 1, 1).result(), 2);
    pids = pool.pids();
  }
  EXPECT_EQ(test::open_fds(), before);
  for (const pid_t pid : pids) EXPECT_EQ(letter_of(pid), '\0') << "reaped, too";
}

}  // namespace
}  // namespace polyio
