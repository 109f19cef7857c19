// SignalWatcher: each watcher of a process gets the signals it asked for.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <polyio/os/signals.hpp>
#include <semaphore>

namespace polyio::os {
namespace {

struct Seen {
  std::counting_semaphore<> count{0};
  SignalWatcher watcher;
  explicit Seen(std::initializer_list<int> signals)
      : watcher(signals, [this](int) { count.release(); }) {}
  bool again() { return count.try_acquire_for(std::chrono::seconds(20)); }
};

void handler_before(int) {}

TEST(SignalWatcher, TwoBothGetASignal) {
  Seen one({SIGUSR1}), both({SIGUSR1, SIGUSR2});
  ::kill(::getpid(), SIGUSR1);
  EXPECT_TRUE(one.again());
  EXPECT_TRUE(both.again());
  ::kill(::getpid(), SIGUSR2);
  EXPECT_TRUE(both.again());
  EXPECT_FALSE(one.count.try_acquire());
}

TEST(SignalWatcher, TheOtherStaysWhicheverGoesFirst) {
  const auto original = std::signal(SIGUSR1, handler_before);
  for (const bool first_made : {true, false}) {
    std::optional<Seen> one, other;
    one.emplace(std::initializer_list<int>{SIGUSR1});
    other.emplace(std::initializer_list<int>{SIGUSR1});
    (first_made ? one : other).reset();
    ::kill(::getpid(), SIGUSR1);
    EXPECT_TRUE((first_made ? other : one)->again());
    (first_made ? other : one).reset();
    struct sigaction now{};
    ::sigaction(SIGUSR1, nullptr, &now);
    EXPECT_EQ(now.sa_handler, handler_before) << "as it was before the first";
  }
  std::signal(SIGUSR1, original);
}

TEST(SignalWatcher, AForkedProcessHasNoneOfItsParents) {
  Seen parents({SIGUSR1});
  const pid_t child = ::fork();
  if (child == 0) {
    sigset_t all;
    sigemptyset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    ::raise(SIGUSR1);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ::kill(::getpid(), SIGUSR1);
  EXPECT_TRUE(parents.again());
  EXPECT_FALSE(parents.count.try_acquire()) << "the child's came here";
}

TEST(SignalWatcher, TooManyAreAnErrorThatLeavesThoseThatThereAre) {
  std::vector<std::unique_ptr<Seen>> many;
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) {
          many.push_back(std::make_unique<Seen>(std::initializer_list<int>{SIGUSR1}));
        }
      },
      std::system_error);
  EXPECT_EQ(many.size(), 64u);
  ::kill(::getpid(), SIGUSR1);
  for (auto& one : many) EXPECT_TRUE(one->again());
}

}  // namespace
}  // namespace polyio::os
