#include "lab/work/work.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "lab/work/spent.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

TEST(Work, TheMostThatRanAtOnceAreCounted) {
  AtOnce at_once;
  {
    const AtOnce::Task one(at_once);
    {
      const AtOnce::Task two(at_once);
    }
    const AtOnce::Task three(at_once);
  }
  const AtOnce::Task four(at_once);
  EXPECT_EQ(at_once.peak, 2u);
  EXPECT_EQ(at_once.running, 1u);
}

TEST(Work, TwiceTheSpanIsTwiceTheSteps) {
  EXPECT_GT(steps_of(1us), 0u);
  EXPECT_GT(steps_of(1s), steps_of(1us));
}

TEST(Work, TasksInTurnRunOneAtATime) {
  ParallelWork work{.tasks = 3, .span = 1ms};
  work.io = true;
  const Json figures = measure_parallel(work);
  EXPECT_EQ(figures.at("tasks"), 3);
  EXPECT_EQ(figures.at("turn_peak"), 1);
  for (const char* const by : {"processes_peak", "threads_peak"}) {
    EXPECT_GE(figures.at(by), 1) << by;
    EXPECT_LE(figures.at(by), 3) << by;
  }
  // Each gives its core up at least once, for that is what it is to block.
  for (const char* const by : {"turn_waits", "processes_waits", "threads_waits"}) {
    EXPECT_GE(figures.at(by), 3) << by;
  }
  EXPECT_FALSE(figures.contains("steps"));
}

TEST(Work, OnlyWhatWasAskedForIsMeasured) {
  const Json figures =
      measure_parallel({.turn = false, .processes = false, .tasks = 2, .steps = 1000});
  EXPECT_EQ(figures.at("steps"), 1000);
  EXPECT_TRUE(figures.contains("threads_cpu_s"));
  EXPECT_FALSE(figures.contains("turn_s"));
  EXPECT_FALSE(figures.contains("processes_s"));
}

TEST(Work, CoroutinesWaitAtOnceAndSwitchesAreCounted) {
  const Json figures = measure_switching({.tasks = 5, .span = 1ms, .steps = 1000, .every = 300});
  EXPECT_GE(figures.at("waits_peak"), 1);
  EXPECT_LE(figures.at("waits_peak"), 5);
  EXPECT_EQ(figures.at("switches"), 5 * 4);  // 300, 300, 300, 100
}

TEST(Work, JobsThatMakeNoSenseAreRefused) {
  for (const char* const job :
       {"", "a", "a:1", "a:1:", "a:x:1", "a:1:2:3", "a:0:0", "a:-1:2", "a:1:60001", ":0:1",
        "a b:0:1", "a;reboot:0:1", "A:0:1", "a:0:1:0:1", "a:0:+1", "a:0:1 "}) {
    EXPECT_THROW((void)measure_scheduling({.jobs = {job}}), std::invalid_argument) << job;
  }
}

}  // namespace
}  // namespace polyio::lab
