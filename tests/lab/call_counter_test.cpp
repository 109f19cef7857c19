#include "lab/call_counter.hpp"

#include <gtest/gtest.h>

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

Child::Options traced(std::vector<std::string> arguments) {
  return {.arguments = std::move(arguments), .traced = true, .program = POLYIO_CALLS};
}

TEST(CallCounter, CountsThoseOfThreadsAndChildren) {
  Child child(traced({"7", "20", "300"}));
  try {
    CallCounter counter(child);
    counter.run_to_the_end();
    EXPECT_EQ(counter.calls()["getppid"], 327);
    EXPECT_GE(counter.calls()["exit_group"], 2);
  } catch (const Denied& denied) {
    GTEST_SKIP() << denied.what();
  }
}

TEST(CallCounter, StopsWhereItIsAsked) {
  Child child(traced({"0", "0", "5"}));
  try {
    CallCounter counter(child);
    counter.run_to_the_end([&] { return counter.calls()["getppid"] >= 2; });
    EXPECT_EQ(counter.calls()["getppid"], 2);
    counter.settle(10ms, 10s);
    EXPECT_EQ(counter.calls()["getppid"], 5);
  } catch (const Denied& denied) {
    GTEST_SKIP() << denied.what();
  }
}

TEST(CallCounter, EndsWhatItHasCounted) {
  Child child({.arguments = {"-c", "sleep 1000 & wait"}, .traced = true, .program = "/bin/sh"});
  const pid_t pid = child.pid();
  try {
    CallCounter counter(child);
    counter.settle(10ms, 10s);
    EXPECT_GE(counter.calls()["execve"], 1);
  } catch (const Denied& denied) {
    GTEST_SKIP() << denied.what();
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(CallCounter, NamesWhatIsNotOnItsListByNumber) {
  EXPECT_EQ(name_of_call(1'000'000), "call 1000000");
}

}  // namespace
}  // namespace polyio::lab
