// No zombie stays, and no child of other code is reaped, whatever is killed when.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <random>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class ReapingTest : public ProcessTest {};
POLYIO_BY_FORK_AND_SPAWN(ReapingTest);

int answer(int code) { return code; }

// Short jobs: some joined, some only looked at, most left to themselves; `at_once` run at a time.
void run_jobs(Method method, int count, std::size_t at_once) {
  std::vector<Process> kept;
  for (int i = 0; i < count; ++i) {
    Process job(Options{.method = method}, answer, i % 100);
    ASSERT_TRUE(job.start()) << i;
    if (i % 4 == 0) {
      ASSERT_TRUE(job.join(soon()));
      EXPECT_EQ(job.exitcode(), i % 100);
    } else if (i % 4 == 1) {
      kept.push_back(std::move(job));
    }
    if (kept.size() >= at_once) kept.clear();
  }
  for (Process& job : kept) ASSERT_TRUE(eventually([&] { return !job.is_alive(); }));
  EXPECT_TRUE(eventually(childless));
}

TEST_P(ReapingTest, AThousandShortJobsLeaveNoZombie) {
  run_jobs(GetParam(), GetParam() == Method::fork ? 1000 : 200, 50);
}

// Some parents start programs with SIGCHLD blocked, which passes through exec.
TEST_P(ReapingTest, NoZombieStaysThoughSigchldWasBlocked) {
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &ended, nullptr);
  {
    Process job(Options{.method = GetParam()}, answer, 3);
    ASSERT_TRUE(job.start());
  }
  EXPECT_TRUE(eventually(childless));
}

class DeepReapingTest : public ProcessTest {};
POLYIO_BY_FORK_AND_SPAWN(DeepReapingTest);

TEST_P(DeepReapingTest, TenThousandShortJobsLeaveNoZombie) { run_jobs(GetParam(), 10'000, 500); }

class DeepForkTest : public ProcessTest {};
INSTANTIATE_TEST_SUITE_P(By, DeepForkTest, testing::Values(Method::fork), method_name);

// All alive at the same time, and then all dead at once.
TEST_P(DeepForkTest, FiveThousandAtOnceLeaveNoZombie) {
  auto hold = make_pipe().value();
  std::vector<Process> many;
  for (int i = 0; i < 5000; ++i) {
    many.emplace_back([&] {
      hold.second.close();
      char none;
      return static_cast<int>(::read(hold.first.fileno(), &none, 1));  // until the end of file
    });
    ASSERT_TRUE(many.back().start()) << i;
  }
  EXPECT_EQ(active_children().size(), 5000u);
  hold.second.close();
  for (Process& each : many) {
    ASSERT_TRUE(each.join(soon()));
    EXPECT_EQ(each.exitcode(), 0);
  }
  EXPECT_TRUE(childless());
}

TEST_P(ReapingTest, OtherCodesChildrenAreNotReaped) {
  const pid_t stranger = ::fork();
  if (stranger == 0) ::_exit(7);
  auto supervised = os::fork_child([] { return 8; });
  ASSERT_TRUE(supervised);
  siginfo_t info{};  // both are zombies, in front of ours
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(stranger), &info, WEXITED | WNOWAIT), 0);
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(supervised->pid()), &info, WEXITED | WNOWAIT), 0);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Process(options(), answer, i).start());
  EXPECT_TRUE(eventually([] {
    // Ours are gone from the kernel's list, without a call of ours that reaps.
    std::size_t zombies = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc")) {
      if (const auto id = task.path().filename().string();
          id.find_first_not_of("0123456789") == id.npos) {
        const auto status = state_of(std::stoi(id));
        siginfo_t child{};
        if (status && status->state == State::terminated &&
            ::waitid(P_PID, static_cast<id_t>(std::stoi(id)), &child,
                     WEXITED | WNOHANG | WNOWAIT) == 0) {
          ++zombies;
        }
      }
    }
    return zombies == 2 && active_children().empty();
  }));
  int status = 0;
  EXPECT_EQ(::waitpid(stranger, &status, 0), stranger);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(supervised->wait().code, 8);
}

volatile sig_atomic_t handled = 0;
int count_signals() {
  struct sigaction own{};
  own.sa_handler = [](int) { handled = handled + 1; };
  ::sigaction(SIGCHLD, &own, nullptr);
  Process job(answer, 5);
  if (!job.start() || !job.join(soon()) || job.exitcode() != 5) return 100;
  return eventually([] { return handled > 0; }) ? 0 : 101;
}

TEST_P(ReapingTest, TheHandlerThatWasThereIsCalledToo) {
  // In a process that has started none before.
  Process fresh = Process::spawned({}, count_signals);
  ASSERT_TRUE(fresh.start());
  ASSERT_TRUE(fresh.join(soon()));
  EXPECT_EQ(fresh.exitcode(), 0);
}

int answer_what_comes(Connection connection) { return connection.receive<int>(soon()).value_or(0); }

TEST_P(ReapingTest, AChildReapedByOtherCodeEndsWith255) {
  auto pipe = make_pipe().value();
  sigset_t chld, before;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  Process job(options(), answer_what_comes, std::move(pipe.second));
  ASSERT_TRUE(job.start());
  ::pthread_sigmask(SIG_BLOCK, &chld, &before);  // the thief is faster
  ASSERT_TRUE(pipe.first.send(5));
  EXPECT_EQ(::waitpid(*job.pid(), nullptr, 0), *job.pid());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(job.join(soon()));
  EXPECT_EQ(job.exitcode(), 255);
}

// Killed at a random moment of its life, starting included: there is always an end to wait for.
TEST_P(ReapingTest, OneKilledAtAnyMomentHasAnExitCode) {
  std::mt19937 random(1);
  const int rounds = GetParam() == Method::fork ? 200 : 60;
  for (int i = 0; i < rounds; ++i) {
    Process job(options(), [] {
      for (std::atomic<int> turn = 0; turn < 100'000; ++turn) {
      }
    });
    ASSERT_TRUE(job.start());
    for (std::atomic<unsigned> wait = random() % 50'000; wait > 0; --wait) {
    }
    ASSERT_TRUE(job.kill());
    ASSERT_TRUE(job.join(soon()));
    const int code = job.exitcode().value();
    EXPECT_TRUE(code == -SIGKILL || code == 0) << code;
  }
}

// The child dies before it has read its arguments, which are more than a socket holds.
TEST_P(ReapingTest, OneThatDiesBeforeItIsUpHasBeenStarted) {
  auto pipe = make_pipe().value();
  Process killer(Options{.method = Method::fork}, [&] {
    // Kills every child of our parent that is not itself, until told to stop.
    const std::string children = "/proc/" + std::to_string(::getppid()) + "/task/" +
                                 std::to_string(::getppid()) + "/children";
    while (!pipe.second.poll().value_or(true)) {
      if (std::FILE* const file = std::fopen(children.c_str(), "re")) {
        for (int pid; std::fscanf(file, "%d", &pid) == 1;) {
          if (pid != ::getpid()) ::kill(pid, SIGKILL);
        }
        std::fclose(file);
      }
    }
  });
  ASSERT_TRUE(killer.start());
  for (int i = 0; i < 10; ++i) {
    Process job(
        options(), [](std::string text) { return static_cast<int>(text.size() % 2); },
        std::string(8 << 20, 'x'));
    ASSERT_TRUE(job.start());
    ASSERT_TRUE(job.join(soon()));
    EXPECT_TRUE(job.exitcode() == -SIGKILL || job.exitcode() == 0);
  }
  ASSERT_TRUE(pipe.first.send(0));
  ASSERT_TRUE(killer.join(soon()));
}

// --- orphans ---

int tell_new_parent(Connection connection, pid_t parent) {
  (void)connection.send(::getpid());
  while (::getppid() == parent) ::usleep(100);
  (void)connection.send(::getppid());
  return connection.receive<int>().value_or(0);
}

void leave_an_orphan(Connection connection, Method method) {
  const pid_t me = ::getpid();
  Process child(Options{.name = "orphan", .method = method}, tell_new_parent, std::move(connection),
                me);
  if (child.start()) ::kill(me, SIGKILL);
}

TEST_P(ReapingTest, AnOrphanIsAdoptedByTheSubreaperOrInit) {
  for (const int subreaper : {1, 0}) {
    ::prctl(PR_SET_CHILD_SUBREAPER, subreaper);
    auto pipe = make_pipe().value();
    Process parent(options(), leave_an_orphan, std::move(pipe.second), GetParam());
    ASSERT_TRUE(parent.start());
    const auto orphan = pipe.first.receive<pid_t>(soon());
    ASSERT_TRUE(orphan);
    const auto adopter = pipe.first.receive<pid_t>(soon());
    ASSERT_TRUE(adopter);
    ASSERT_TRUE(parent.join(soon()));
    EXPECT_EQ(parent.exitcode(), -SIGKILL);
    EXPECT_NE(*adopter, *parent.pid());
    if (subreaper) {
      EXPECT_EQ(*adopter, ::getpid());
    }
    ASSERT_TRUE(pipe.first.send(3));
    if (*adopter == ::getpid()) {  // adopted, it is ours to wait for; Process has not taken it
      int status = 0;
      EXPECT_EQ(::waitpid(*orphan, &status, 0), *orphan);
      EXPECT_EQ(WEXITSTATUS(status), 3);
    } else {
      EXPECT_EQ(pipe.first.receive<int>(soon()).error(), polyio::Errc::end_of_file);
    }
  }
}

}  // namespace
}  // namespace polyio::process
