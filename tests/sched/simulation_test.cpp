// Policies in the simulator, against tables worked by hand (those of the textbooks among them), and
// against what holds for every list of jobs.
#include <gtest/gtest.h>

#include <algorithm>
#include <polyio/base/random.hpp>
#include <polyio/sched/simulation.hpp>
#include <stdexcept>

namespace polyio::sched {
namespace {

// "A0-2 B2-5": which job was on the processor when.
std::string text(const Report& report, const std::vector<JobSpec>& jobs) {
  std::string all;
  for (const Segment& segment : report.timeline) {
    all += (all.empty() ? "" : " ") + jobs[segment.job].name + std::to_string(segment.begin) + "-" +
           std::to_string(segment.end);
  }
  return all;
}
std::string trace(const std::vector<JobSpec>& jobs, std::unique_ptr<Policy> policy,
                  const SimulationOptions& options = {}) {
  return text(simulate(jobs, *policy, options), jobs);
}
double waiting(const std::vector<JobSpec>& jobs, std::unique_ptr<Policy> policy) {
  return simulate(jobs, *policy).waiting;
}

const std::vector<JobSpec> convoy{{"A", 0, {24}}, {"B", 0, {3}}, {"C", 0, {3}}};

TEST(Fcfs, ServesInTheOrderOfArrival) {
  EXPECT_EQ(trace(convoy, make_fcfs()), "A0-24 B24-27 C27-30");
  EXPECT_DOUBLE_EQ(waiting(convoy, make_fcfs()), 17);
  const std::vector<JobSpec> other{{"B", 0, {3}}, {"C", 0, {3}}, {"A", 0, {24}}};
  EXPECT_DOUBLE_EQ(waiting(other, make_fcfs()), 3);
}

TEST(Fcfs, AJobBackFromIoQueuesAgain) {
  const std::vector<JobSpec> jobs{{"A", 0, {2, 3, 2}}, {"B", 1, {4}}};
  EXPECT_EQ(trace(jobs, make_fcfs()), "A0-2 B2-6 A6-8");
  const auto policy = make_fcfs();
  const Report report = simulate(jobs, *policy);
  EXPECT_EQ(report.jobs[0].turnaround, 8);
  EXPECT_EQ(report.jobs[0].waiting, 1);
  EXPECT_EQ(report.jobs[1].waiting, 1);
  EXPECT_EQ(report.jobs[1].response, 1);
}

TEST(Sjf, ServesTheShortestOfThoseThatAreThere) {
  const std::vector<JobSpec> jobs{{"A", 0, {6}}, {"B", 0, {8}}, {"C", 0, {7}}, {"D", 0, {3}}};
  EXPECT_EQ(trace(jobs, make_sjf()), "D0-3 A3-9 C9-16 B16-24");
  EXPECT_DOUBLE_EQ(waiting(jobs, make_sjf()), 7);
}

TEST(Sjf, WithoutPreemptionRunsToTheEnd) {
  const std::vector<JobSpec> jobs{{"A", 0, {8}}, {"B", 1, {4}}, {"C", 2, {9}}, {"D", 3, {5}}};
  EXPECT_EQ(trace(jobs, make_sjf()), "A0-8 B8-12 D12-17 C17-26");
  EXPECT_DOUBLE_EQ(waiting(jobs, make_sjf()), 7.75);
}

TEST(Sjf, WithPreemptionServesTheShortestRemainder) {
  const std::vector<JobSpec> jobs{{"A", 0, {8}}, {"B", 1, {4}}, {"C", 2, {9}}, {"D", 3, {5}}};
  EXPECT_EQ(trace(jobs, make_sjf(true)), "A0-1 B1-5 D5-10 A10-17 C17-26");
  EXPECT_DOUBLE_EQ(waiting(jobs, make_sjf(true)), 6.5);
}

TEST(Sjf, EqualBurstsGoByArrivalThenByTheList) {
  const std::vector<JobSpec> jobs{{"X", 0, {5}}, {"C", 2, {3}}, {"A", 1, {3}}, {"B", 1, {3}}};
  EXPECT_EQ(trace(jobs, make_sjf()), "X0-5 A5-8 B8-11 C11-14");
}

TEST(Sjf, APredictedBurstIsAnAverageThatForgets) {
  Prediction prediction(10);
  const int bursts[] = {6, 4, 6, 4, 13, 13, 13};
  const double predicted[] = {10, 8, 6, 6, 5, 9, 11};
  for (int i = 0; i < 7; ++i) {
    EXPECT_DOUBLE_EQ(prediction.next(), predicted[i]) << i;
    prediction.saw(bursts[i]);
  }
  EXPECT_DOUBLE_EQ(prediction.next(), 12);
}

// Both guess 10 at first and go by the list; then A is known to be short.
TEST(Sjf, GoesByThePredictionWhereBurstsAreNotKnown) {
  const std::vector<JobSpec> jobs{{"B", 0, {9, 1, 9}}, {"A", 0, {1, 9, 1}}};
  EXPECT_EQ(trace(jobs, make_sjf(), {.alpha = 0.5}), "B0-9 A9-10 B10-19 A19-20");
  const std::vector<JobSpec> both{{"B", 0, {9, 2, 9}}, {"A", 0, {1, 1, 1}}, {"C", 9, {4}}};
  EXPECT_EQ(trace(both, make_sjf(), {.alpha = 0.5}), "B0-9 A9-10 C10-14 A14-15 B15-24");
}

TEST(RoundRobin, GivesEachAQuantumInTurn) {
  EXPECT_EQ(trace(convoy, make_round_robin(4)), "A0-4 B4-7 C7-10 A10-30");
  EXPECT_NEAR(waiting(convoy, make_round_robin(4)), 17.0 / 3, 1e-9);
}

TEST(RoundRobin, ANewJobQueuesBeforeOneWhoseQuantumEndsAtThatInstant) {
  const std::vector<JobSpec> jobs{{"A", 0, {4}}, {"B", 2, {2}}};
  EXPECT_EQ(trace(jobs, make_round_robin(2)), "A0-2 B2-4 A4-6");
}

TEST(RoundRobin, AllThreeWaysBackLeadToTheTail) {
  const std::vector<JobSpec> jobs{{"A", 0, {1, 1, 2}}, {"B", 0, {4}}, {"C", 2, {1}}};
  EXPECT_EQ(trace(jobs, make_round_robin(2)), "A0-1 B1-3 A3-5 C5-6 B6-8");
}

TEST(RoundRobin, ALongQuantumIsFirstComeFirstServed) {
  EXPECT_EQ(trace(convoy, make_round_robin(100)), trace(convoy, make_fcfs()));
}

TEST(RoundRobin, SwitchesCostTime) {
  const auto policy = make_round_robin(1);
  const std::vector<JobSpec> jobs{{"A", 0, {2}}, {"B", 0, {2}}};
  const Report report = simulate(jobs, *policy, {.switch_cost = 1});
  EXPECT_EQ(text(report, jobs), "A0-1 B2-3 A4-5 B6-7");
  EXPECT_EQ(report.switches, 3u);
}

TEST(RoundRobin, AQuantumForAWantedResponse) {
  EXPECT_EQ(quantum_for(100, 10), 10);
  EXPECT_EQ(quantum_for(100, 10, 2), 8);
  EXPECT_EQ(quantum_for(5, 10), 1);
}

TEST(Mlfq, AJobFallsAQueueForEachQuantumItUsesUp) {
  const std::vector<JobSpec> jobs{{"A", 0, {20}}, {"B", 0, {3}}};
  // Level 0 has 2, level 1 has 4, level 2 has 8 and is round robin.
  EXPECT_EQ(trace(jobs, make_mlfq(doubling_quanta(2, 3))), "A0-2 B2-4 A4-8 B8-9 A9-23");
}

TEST(Mlfq, AnArrivalPreemptsAndThePreemptedKeepsWhatItUsed) {
  const std::vector<JobSpec> jobs{{"A", 0, {8}}, {"B", 3, {1}}, {"C", 4, {5}}};
  // A is pre-empted at 3 and 4, after 1 of its 4 at level 1: 3 more, and then it falls.
  EXPECT_EQ(trace(jobs, make_mlfq(doubling_quanta(2, 3))), "A0-3 B3-4 C4-6 A6-9 C9-12 A12-14");
}

TEST(Mlfq, OneBackFromIoKeepsItsLevelWithANewQuantum) {
  const std::vector<JobSpec> jobs{{"A", 0, {1, 2, 2}}, {"B", 0, {9}}};
  EXPECT_EQ(trace(jobs, make_mlfq(doubling_quanta(2, 3))), "A0-1 B1-3 A3-5 B5-12");
}

TEST(Mlfq, ABoostBringsAllToTheTop) {
  const std::vector<JobSpec> jobs{{"A", 0, {12}}, {"B", 0, {12}}};
  // At 6 and at 12 A runs at level 1, and has the quantum of level 0 then.
  EXPECT_EQ(trace(jobs, make_mlfq({1, 100}), {.boost = 6}),
            "A0-1 B1-2 A2-7 B7-8 A8-13 B13-14 A14-15 B15-24");
}

TEST(Mlfq, ABoostTakesTheJobWhoseQuantumEndsThen) {
  const std::vector<JobSpec> jobs{{"A", 0, {6}}, {"B", 0, {6}}, {"C", 4, {3}}};
  // A has used its 3 up at 3 and is back at level 0 before C arrives.
  EXPECT_EQ(trace(jobs, make_mlfq({3, 100}), {.boost = 3}), "A0-3 B3-6 A6-9 C9-12 B12-15");
}

TEST(Mlfq, ABlockAtTheVeryEndOfAQuantumKeepsTheLevel) {
  const std::vector<JobSpec> jobs{{"A", 0, {2, 1, 1}}, {"B", 0, {9}}};
  EXPECT_EQ(trace(jobs, make_mlfq(doubling_quanta(2, 3))), "A0-2 B2-4 A4-5 B5-12");
  const std::vector<JobSpec> later{{"A", 0, {2, 3, 1}}, {"B", 0, {9}}};
  EXPECT_EQ(trace(later, make_mlfq(doubling_quanta(2, 3))), "A0-2 B2-5 A5-6 B6-12");
}

TEST(Keeping, AJobThatKeepsTheProcessorIsNotPreempted) {
  const std::vector<JobSpec> jobs{{"A", 0, {6}, false}, {"B", 1, {4}}, {"C", 1, {3}}};
  EXPECT_EQ(trace(jobs, make_round_robin(2)), "A0-6 B6-8 C8-10 B10-12 C12-13");
  EXPECT_EQ(trace(jobs, make_sjf(true)), "A0-6 C6-9 B9-13");
  // It has to wait for its turn like every other, and may pre-empt.
  const std::vector<JobSpec> later{{"A", 0, {20}}, {"P", 3, {5}, false}, {"C", 4, {1}}};
  EXPECT_EQ(trace(later, make_mlfq({2, 4, 8})), "A0-3 P3-8 C8-9 A9-26");
}

TEST(Predicting, AJobMayHaveAFirstGuessOfItsOwn) {
  std::vector<JobSpec> jobs{{"A", 0, {5}}, {"B", 0, {3}, true, 20}};
  EXPECT_EQ(trace(jobs, make_sjf(), {.alpha = 0.5, .first_guess = 10}), "A0-5 B5-8");
  jobs[1].guess = 1;
  EXPECT_EQ(trace(jobs, make_sjf(), {.alpha = 0.5, .first_guess = 10}), "B0-3 A3-8");
}

TEST(ByCause, EachReasonHasAQueueOfItsOwn) {
  const std::vector<JobSpec> jobs{{"A", 0, {6}}, {"B", 0, {1, 1, 3}}, {"C", 0, {2}}};
  // Those that come back from I/O go first, new ones next, those whose quantum was used up last.
  const CauseQueues queues{
      .created = {1, 2}, .unblocked = {0, 4}, .expired = {2, 2}, .preempted = {0, 2}};
  EXPECT_EQ(trace(jobs, make_by_cause(queues)), "A0-2 B2-3 C3-5 B5-8 A8-12");
}

TEST(Simulation, RefusesWhatIsNoJob) {
  const auto policy = make_fcfs();
  for (const JobSpec& wrong : {JobSpec{"A", 0, {}}, JobSpec{"A", 0, {1, 2}}, JobSpec{"A", 0, {0}},
                               JobSpec{"A", -1, {1}}}) {
    EXPECT_THROW((void)simulate({wrong}, *policy), std::invalid_argument);
  }
  EXPECT_THROW((void)make_round_robin(0), std::invalid_argument);
  EXPECT_THROW((void)make_mlfq({}), std::invalid_argument);
}

// A second of 1,000,000,000 units in quanta of 1 is refused, and boosts in a long idle time are
// one.
TEST(Simulation, IsBounded) {
  const std::vector<JobSpec> jobs{{"A", 0, {1'000'000'000}}, {"B", 1'000'000'000, {1}}};
  const auto tiny = make_round_robin(1);
  EXPECT_THROW((void)simulate(jobs, *tiny), std::length_error);
  const auto fcfs = make_fcfs();
  const auto report = simulate({{"A", 1'000'000'000, {1}}}, *fcfs, {.boost = 1, .most_turns = 2});
  EXPECT_EQ(report.end, 1'000'000'001);
}

std::vector<JobSpec> any_jobs(Random& random) {
  std::vector<JobSpec> jobs(1 + random.below(8));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].name = std::string(1, static_cast<char>('A' + i));
    jobs[i].arrival = static_cast<Span>(random.below(30));
    const std::size_t spans = 1 + 2 * random.below(4);
    for (std::size_t n = 0; n < spans; ++n) {
      jobs[i].bursts.push_back(static_cast<Span>(1 + random.below(12)));
    }
  }
  return jobs;
}

// The processor is idle only while no job is ready, every burst is given whole and in order, never
// to two at once, and the sums are what they say.
void check(const std::vector<JobSpec>& jobs, const Report& report) {
  Span before = 0;
  std::vector<Span> got(jobs.size());
  for (const Segment& segment : report.timeline) {
    ASSERT_LT(segment.begin, segment.end);
    ASSERT_GE(segment.begin, before);
    before = segment.end;
    ASSERT_GE(segment.begin, jobs[segment.job].arrival);
    got[segment.job] += segment.end - segment.begin;
  }
  Span busy = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const JobReport& own = report.jobs[i];
    ASSERT_EQ(got[i], own.burst);
    ASSERT_EQ(own.turnaround, own.finish - jobs[i].arrival);
    ASSERT_EQ(own.turnaround, own.burst + own.io + own.waiting);
    ASSERT_GE(own.waiting, 0);
    ASSERT_GE(own.response, 0);
    busy += own.burst;
  }
  ASSERT_EQ(busy + report.idle, report.end);
}

TEST(Simulation, LosesNoTimeWhateverTheJobs) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    const auto jobs = any_jobs(random);
    std::vector<std::unique_ptr<Policy>> policies;
    policies.push_back(make_fcfs());
    policies.push_back(make_sjf());
    policies.push_back(make_sjf(true));
    policies.push_back(make_round_robin(static_cast<Span>(1 + random.below(6))));
    policies.push_back(make_mlfq(doubling_quanta(static_cast<Span>(1 + random.below(4)), 3)));
    policies.push_back(make_by_cause({{1, 2}, {0, 3}, {2, 4}, {0, unlimited}}));
    for (const auto& policy : policies) {
      const Report report = simulate(jobs, *policy);
      check(jobs, report);
      if (HasFatalFailure()) return;
      EXPECT_TRUE(policy->empty());
    }
  }
}

}  // namespace
}  // namespace polyio::sched
