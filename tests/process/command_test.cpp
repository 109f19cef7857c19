// Command and Guardian: what is stopped and continued is the whole family, and none of it is left.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <charconv>
#include <polyio/os/file.hpp>
#include <polyio/process/command.hpp>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class CommandTest : public testing::Test {
 protected:
  CommandTest() : output(*make_output_pipe()) {}

  Result<Command> start(const std::string& line) {
    return Command::start(guardian, line, allowed_cpus().back(), output.write.get());
  }
  // What comes next; waits for it.
  std::string printed() {
    pollfd readable{output.read.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&readable, 1, 60'000), 1);
    std::array<std::byte, 256> room;
    const auto got = os::read(output.read.get(), room);
    return {reinterpret_cast<const char*>(room.data()), got ? *got : 0};
  }
  bool prints_nothing() const {
    pollfd readable{output.read.get(), POLLIN, 0};
    return ::poll(&readable, 1, 0) == 0;
  }
  static os::ExitStatus ended(Command& command) {
    pollfd end{command.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&end, 1, 60'000), 1);
    return command.finish();
  }
  static State state(pid_t pid) {
    const auto status = state_of(pid);
    return status ? status->state : State::terminated;
  }

  Guardian guardian{2};
  OutputPipe output;
};

TEST_F(CommandTest, BeginsStoppedAndGoesOnWhenTold) {
  auto command = start("cat; echo done; exit 3");
  ASSERT_TRUE(command);
  EXPECT_EQ(state(command->pid()), State::stopped);
  EXPECT_FALSE(command->usage().runnable);
  EXPECT_TRUE(prints_nothing());
  command->go_on();
  EXPECT_EQ(printed(), "done\n");  // and its standard input was empty
  const os::ExitStatus status = ended(*command);
  EXPECT_EQ(status.code, 3);
  EXPECT_EQ(status.signal, 0);
}

TEST_F(CommandTest, TheProcessorTimeIsThatOfTheFamily) {
  auto command =
      start("sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; echo; while :; do :; done");
  ASSERT_TRUE(command);
  const Nanoseconds before = command->usage().cpu;
  command->go_on();
  (void)printed();
  command->stop();
  EXPECT_TRUE(eventually([&] { return state(command->pid()) == State::stopped; }));
  const Nanoseconds used = command->usage().cpu;
  EXPECT_GT(used, before);
  command->signal(SIGKILL);
  const os::ExitStatus status = ended(*command);
  EXPECT_EQ(status.signal, SIGKILL);
  EXPECT_GE(status.cpu, used);
}

TEST_F(CommandTest, OneThatComputesInAChildIsRunnableAndOneThatWaitsIsNot) {
  auto computes = start("sh -c 'echo; while :; do :; done'; true");
  auto waits = start("sh -c 'echo; sleep 1000'; true");
  ASSERT_TRUE(computes && waits);
  computes->go_on();
  (void)printed();
  EXPECT_TRUE(computes->usage().runnable);
  waits->go_on();
  (void)printed();
  EXPECT_TRUE(eventually([&] { return !waits->usage().runnable; }));
}

TEST_F(CommandTest, AStopAndTheEndReachAGroupThatADescendantHasMade) {
  auto command = start("timeout 1000 sh -c 'echo $$; while :; do :; done'");
  ASSERT_TRUE(command);
  command->go_on();
  const std::string number = printed();
  pid_t inner = 0;
  std::from_chars(number.data(), number.data() + number.size(), inner);
  ASSERT_GT(inner, 0);
  ASSERT_NE(::getpgid(inner), command->pid());
  command->stop();
  EXPECT_TRUE(eventually([&] { return state(inner) == State::stopped; }));
  command->go_on();
  EXPECT_TRUE(eventually([&] { return state(inner) != State::stopped; }));
  *command = Command();
  EXPECT_TRUE(eventually([&] { return state(inner) == State::terminated; }));
}

TEST_F(CommandTest, WhatLeavesTheFamilyEndsWithTheGuardian) {
  pid_t inner = 0;
  {
    Guardian own(1);
    auto command = Command::start(own, "setsid sh -c 'echo $$; exec sleep 1000' & exit 0",
                                  allowed_cpus().back(), output.write.get());
    ASSERT_TRUE(command);
    command->go_on();
    const std::string number = printed();
    std::from_chars(number.data(), number.data() + number.size(), inner);
    ASSERT_GT(inner, 0);
    EXPECT_EQ(ended(*command).code, 0);
  }
  EXPECT_FALSE(state_of(inner));
}

TEST_F(CommandTest, APlaceIsFreeAgainWhenItsCommandHasEnded) {
  auto first = start("true");
  auto second = start("true");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(start("true").error(), std::errc::no_space_on_device);
  first->go_on();
  EXPECT_EQ(ended(*first).code, 0);
  EXPECT_TRUE(start("true"));
}

TEST_F(CommandTest, AProcessorThatIsNotThereIsAnErrorAndNothingIsLeft) {
  EXPECT_EQ(Command::start(guardian, "true", 1000, output.write.get()).error(),
            std::errc::invalid_argument);
  auto one = start("true");
  auto other = start("true");
  EXPECT_TRUE(one && other);  // both places are free
}

TEST_F(CommandTest, TheGuardianKillsWhatIsThereWhenItsMakerIsKilled) {
  auto maker = os::fork_plain([&](const sigset_t&) {
    Guardian own(2);
    auto command = Command::start(own, "echo $$; while :; do :; done", allowed_cpus().back(),
                                  output.write.get());
    auto stopped = Command::start(own, "true", allowed_cpus().back(), output.write.get());
    if (!command || !stopped) return 1;
    command->go_on();
    for (;;) ::pause();
  });
  ASSERT_TRUE(maker);
  const std::string number = printed();
  pid_t inner = 0;
  std::from_chars(number.data(), number.data() + number.size(), inner);
  ASSERT_GT(inner, 0);
  maker->signal(SIGKILL);
  EXPECT_EQ(maker->wait().signal, SIGKILL);
  EXPECT_TRUE(eventually([&] { return state(inner) == State::terminated; }));
}

TEST(Affinity, IsWhatWasAskedFor) {
  const auto before = allowed_cpus();
  ASSERT_FALSE(before.empty());
  ASSERT_TRUE(stay_on({before.front()}));
  EXPECT_EQ(allowed_cpus(), std::vector<int>{before.front()});
  EXPECT_FALSE(stay_on({}));
  EXPECT_TRUE(stay_on(before));
}

}  // namespace
}  // namespace polyio::process
