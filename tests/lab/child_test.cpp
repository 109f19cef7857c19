#include "lab/child.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <stdexcept>

#include "support/eventually.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

Child::Options shell(std::string line) {
  return {.arguments = {"-c", std::move(line)}, .program = "/bin/sh"};
}

TEST(Child, GivesItsLinesAndTheEnd) {
  Child child(shell("echo one; echo two; printf rest; echo words >&2; exit 3"));
  EXPECT_EQ(child.read_line(60s), "one");
  EXPECT_EQ(child.read_line(60s), "two");
  EXPECT_EQ(child.read_line(60s), std::nullopt);
  EXPECT_EQ(child.wait(60s).code, 3);
  EXPECT_EQ(child.last_words(), "words");
}

TEST(Child, IsKilledWithAllThatItStarted) {
  pid_t started = 0;
  {
    Child child(shell("sleep 1000 & echo $!; wait"));
    started = static_cast<pid_t>(std::stol(child.read_line(60s).value_or("0")));
    ASSERT_GT(started, 1);
    ASSERT_EQ(::kill(started, 0), 0);
  }
  EXPECT_TRUE(test::eventually([&] { return ::kill(started, 0) != 0; }));
}

TEST(Child, AnEndlessLineIsRefused) {
  Child child(shell("exec tr '\\0' x < /dev/zero"));
  EXPECT_THROW((void)child.read_line(60s), std::runtime_error);
}

TEST(Child, TakesLines) {
  Child child({.arguments = {"-c", "read a; echo got $a; read b; echo $b"},
               .input = true,
               .program = "/bin/sh"});
  EXPECT_TRUE(child.say("one"));
  EXPECT_EQ(child.read_line(60s), "got one");
  EXPECT_FALSE(child.has_ended());
  EXPECT_TRUE(child.say("two"));
  EXPECT_EQ(child.read_line(60s), "two");
  EXPECT_TRUE(test::eventually([&] { return child.has_ended(); }));
  EXPECT_FALSE(child.say("three")) << "and no signal";
}

TEST(Child, WithoutInputItHasTheEndOfIt) {
  Child child(shell("read a; echo $?"));
  EXPECT_FALSE(child.say("one"));
  EXPECT_EQ(child.read_line(60s), "1");
}

TEST(Child, PatienceEnds) {
  Child child(shell("exec sleep 1000"));
  EXPECT_THROW((void)child.read_line(1ms), std::runtime_error);
}

TEST(Child, ASignalEndsAWait) {
  os::SignalQueue signals({SIGINT});
  Child child(shell("exec sleep 1000"), &signals);
  ::raise(SIGINT);
  try {
    (void)child.read_line(60s);
    FAIL() << "the wait went on";
  } catch (const Interrupted& interrupted) {
    EXPECT_EQ(interrupted.signal, SIGINT);
  }
}

TEST(Child, SignalsReachIt) {
  os::SignalQueue signals({SIGINT, SIGTERM});
  Child child(shell("kill -TERM $$; exit 1"), &signals);
  EXPECT_EQ(child.wait(60s).signal, SIGTERM);
}

TEST(Child, AProgramThatIsNotThereEnds) {
  Child child({.arguments = {}, .program = "/nonexistent"});
  EXPECT_EQ(child.wait(60s).code, not_started);
}

}  // namespace
}  // namespace polyio::lab
