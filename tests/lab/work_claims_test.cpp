// The claims about threads, coroutines and scheduling, judged by made-up figures: each of their
// parts can make them fail, be within the noise, or be missing.
#include <gtest/gtest.h>

#include <map>

#include "lab/claims/claim.hpp"

namespace polyio::lab {
namespace {

using Figures = std::map<std::string, std::vector<double>>;  // "trial|figure", a value per round

class MadeUp final : public Evidence {
 public:
  explicit MadeUp(Figures figures) : figures_(std::move(figures)) {
    settings_.server_cores = {0};
    settings_.load_cores = {1};
  }
  void one_core() { settings_.load_cores = settings_.server_cores; }
  Series of(const Point&, std::string_view) const override { return {}; }
  Series of(const Trial& trial, std::string_view figure) const override {
    Series series;
    const auto found = figures_.find(trial.name + "|" + std::string(figure));
    if (found == figures_.end()) return series;
    for (unsigned i = 0; i < found->second.size(); ++i) {
      series.by_round[i + 1] = found->second[i];
    }
    return series;
  }
  std::map<std::string, double> calls(const Point&) const override { return {}; }
  std::string why_missing(const Point&) const override { return {}; }
  std::string why_missing(const Trial&) const override { return "it broke down"; }
  const Settings& settings() const override { return settings_; }

 private:
  Figures figures_;
  Settings settings_;
};

const Claim& claim_named(std::string_view name) {
  for (const Claim& claim : all_claims()) {
    if (claim.name == name) return claim;
  }
  throw std::invalid_argument(std::string(name));
}

struct Case {
  std::string_view claim;
  std::map<std::string, double> holds;
  // What makes it fail: a figure, and its value.
  std::vector<std::pair<std::string, double>> fails;
};

const std::string threads = "polyio: 4 tasks that ", python = "Python: 4 tasks that ";

std::vector<Case> task_cases() {
  const std::string all = threads + "compute, on all cores|",
                    one = threads + "compute, on one core|", wait = threads + "wait, on all cores|",
                    wait_one = threads + "wait, on one core|",
                    p_all = python + "compute, on all cores|",
                    p_wait = python + "wait, on all cores|";
  const std::string starting = "starting threads, processes and coroutines|";
  return {
      {"threads-use-all-cores",
       {{all + "turn_s", 0.2}, {all + "threads_s", 0.1}, {all + "processes_s", 0.11}},
       {{all + "threads_s", 0.19}, {all + "processes_s", 0.21}}},
      {"python-threads-take-turns",
       {{p_all + "turn_s", 0.2}, {p_all + "threads_s", 0.22}, {p_all + "processes_s", 0.11}},
       {{p_all + "threads_s", 0.1}, {p_all + "processes_s", 0.2}}},
      {"threads-suffice-for-waiting",
       {{wait + "turn_s", 0.2},
        {wait + "threads_s", 0.05},
        {wait + "threads_cpu_s", 0.001},
        {wait + "processes_cpu_s", 0.005},
        {p_wait + "turn_s", 0.2},
        {p_wait + "threads_s", 0.05}},
       {{wait + "threads_s", 0.2}, {wait + "processes_cpu_s", 0.001}, {p_wait + "threads_s", 0.2}}},
      {"concurrency-is-not-parallelism",
       {{wait_one + "turn_s", 0.2},
        {wait_one + "threads_s", 0.05},
        {one + "turn_s", 0.2},
        {one + "threads_s", 0.2},
        {all + "threads_s", 0.1}},
       {{wait_one + "threads_s", 0.2}, {one + "turn_s", 0.5}, {all + "threads_s", 0.2}}},
      {"threads-are-lighter",
       {{starting + "fork_us", 200},
        {starting + "thread_us", 20},
        {starting + "coroutine_us", 0.1}},
       {{starting + "fork_us", 21}, {starting + "coroutine_us", 15}}},
      {"switching-helps-waits",
       {{"coroutines|waits_turn_s", 0.2}, {"coroutines|waits_at_once_s", 0.02}},
       {{"coroutines|waits_at_once_s", 0.2}}},
      {"switching-costs-computing",
       {{"coroutines|switching_cpu_s", 0.3}, {"coroutines|computing_cpu_s", 0.2}},
       {{"coroutines|switching_cpu_s", 0.1}}},
  };
}

std::vector<Case> scheduling_cases() {
  const auto under = [](const std::string& jobs, const std::string& policy,
                        const std::string& figure) {
    return jobs + " under " + policy + "|" + figure;
  };
  const std::string rr = "rr with 20 ms";
  return {
      {"fcfs-hurts-short-jobs",
       {{under("a convoy", "fcfs", "short1_waiting_ms"), 230},
        {under("a convoy", "fcfs", "short2_waiting_ms"), 240},
        {under("a convoy", rr, "short1_waiting_ms"), 10},
        {under("a convoy", rr, "short2_waiting_ms"), 20}},
       {{under("a convoy", rr, "short2_waiting_ms"), 300}}},
      {"fcfs-hurts-io-jobs",
       {{under("a device", "fcfs", "io_turnaround_ms"), 400},
        {under("a device", "fcfs", "end_ms"), 410},
        {under("a device", rr, "io_turnaround_ms"), 240},
        {under("a device", rr, "end_ms"), 300}},
       {{under("a device", rr, "io_turnaround_ms"), 400}, {under("a device", rr, "end_ms"), 400}}},
      {"sjf-starves-long-jobs",
       {{under("8 short jobs", "sjf", "long_waiting_ms"), 240},
        {under("2 short jobs", "sjf", "long_waiting_ms"), 60},
        {under("8 short jobs", "fcfs", "long_waiting_ms"), 30},
        {under("2 short jobs", "fcfs", "long_waiting_ms"), 30}},
       {{under("8 short jobs", "sjf", "long_waiting_ms"), 60},
        {under("8 short jobs", "fcfs", "long_waiting_ms"), 240}}},
      {"sjf-ignores-urgency",
       {{under("an alarm", "sjf", "alarm_turnaround_ms"), 205},
        {under("an alarm", "fcfs", "alarm_turnaround_ms"), 60}},
       {{under("an alarm", "sjf", "alarm_turnaround_ms"), 60}}},
      {"short-quantum-is-overhead",
       {{under("a key", "rr with 1 ms", "lost_ms"), 20}, {under("a key", rr, "lost_ms"), 3}},
       {{under("a key", rr, "lost_ms"), 20}}},
      {"long-quantum-is-fcfs",
       {{under("a key", "rr with 1000 ms", "key_response_ms"), 300},
        {under("a key", rr, "key_response_ms"), 55},
        {under("a key", "fcfs", "key_response_ms"), 300}},
       {{under("a key", rr, "key_response_ms"), 300},
        {under("a key", "fcfs", "key_response_ms"), 600}}},
      {"mlfq-needs-no-run-times",
       {{under("a desk", "fcfs", "shell_turnaround_ms"), 470},
        {under("a desk", "fcfs", "mail_turnaround_ms"), 100},
        {under("a desk", "sjf", "shell_turnaround_ms"), 105},
        {under("a desk", "sjf", "mail_turnaround_ms"), 15},
        {under("a desk", "mlfq", "shell_turnaround_ms"), 115},
        {under("a desk", "mlfq", "mail_turnaround_ms"), 16}},
       {{under("a desk", "mlfq", "shell_turnaround_ms"), 600},
        {under("a desk", "fcfs", "shell_turnaround_ms"), 105},
        {under("a desk", "sjf", "shell_turnaround_ms"), 20}}},
  };
}

std::vector<Case> cases() {
  std::vector<Case> all = task_cases();
  for (Case& one : scheduling_cases()) all.push_back(std::move(one));
  return all;
}

Figures of(const std::map<std::string, double>& values, std::size_t rounds) {
  Figures figures;
  for (const auto& [name, value] : values) figures[name] = std::vector<double>(rounds, value);
  return figures;
}

TEST(WorkClaims, HoldWithWhatTheySay) {
  for (const Case& each : cases()) {
    const Claim& claim = claim_named(each.claim);
    EXPECT_EQ(claim.judge(MadeUp(of(each.holds, 4))).outcome, Outcome::holds) << each.claim;
    // Once is no measurement.
    EXPECT_EQ(claim.judge(MadeUp(of(each.holds, 1))).outcome, Outcome::within_noise) << each.claim;
  }
}

TEST(WorkClaims, DoNotHoldWhereAPartDoesNot) {
  for (const Case& each : cases()) {
    for (const auto& [figure, value] : each.fails) {
      auto values = each.holds;
      ASSERT_TRUE(values.contains(figure)) << figure;
      values[figure] = value;
      EXPECT_EQ(claim_named(each.claim).judge(MadeUp(of(values, 4))).outcome,
                Outcome::does_not_hold)
          << each.claim << ", " << figure;
    }
  }
}

TEST(WorkClaims, AreWithinTheNoiseWhereRoundsDisagree) {
  for (const Case& each : cases()) {
    const auto& [figure, value] = each.fails.front();
    Figures figures = of(each.holds, 4);
    figures[figure][0] = figures[figure][2] = value;
    EXPECT_EQ(claim_named(each.claim).judge(MadeUp(figures)).outcome, Outcome::within_noise)
        << each.claim;
  }
}

TEST(WorkClaims, SayWhyTheyWereNotMeasured) {
  for (const Case& each : cases()) {
    auto values = each.holds;
    values.erase(each.fails.front().first);
    const Finding found = claim_named(each.claim).judge(MadeUp(of(values, 4)));
    EXPECT_EQ(found.outcome, Outcome::not_measured) << each.claim;
    EXPECT_NE(found.text.find("it broke down"), std::string::npos) << found.text;
  }
}

// Others took the core: what does not hold then is not known.
TEST(WorkClaims, AreNotDecidedOnABusyMachine) {
  for (const auto& [claim, shares] :
       {std::pair("threads-use-all-cores", std::pair("turn_s", "turn_cpu_s")),
        std::pair("sjf-ignores-urgency", std::pair("given_ms", "computed_ms"))}) {
    const auto all = cases();
    const auto each = std::ranges::find(all, claim, &Case::claim);
    auto values = each->holds;
    const auto& [figure, value] = each->fails.front();
    values[figure] = value;
    const std::string trial = figure.substr(0, figure.find('|') + 1);
    values[trial + shares.first] = 0.2;
    values[trial + shares.second] = 0.19;
    const Claim& judged = claim_named(claim);
    EXPECT_EQ(judged.judge(MadeUp(of(values, 4))).outcome, Outcome::does_not_hold) << claim;
    values[trial + shares.second] = 0.1;
    const Finding found = judged.judge(MadeUp(of(values, 4)));
    EXPECT_EQ(found.outcome, Outcome::not_measured) << claim;
    EXPECT_NE(found.text.find("had the core for 50 %"), std::string::npos) << found.text;
  }
}

// Python's part of a claim about both is left out where there is none.
TEST(WorkClaims, AreJudgedByOursWithoutPython) {
  for (const Case& each : cases()) {
    if (each.claim != "threads-suffice-for-waiting" && each.claim != "switching-helps-waits") {
      continue;
    }
    auto values = each.holds;
    std::erase_if(values, [](const auto& one) { return one.first.starts_with("Python"); });
    const Finding found = claim_named(each.claim).judge(MadeUp(of(values, 4)));
    EXPECT_EQ(found.outcome, Outcome::holds) << each.claim;
    EXPECT_NE(found.text.find("Python: "), std::string::npos) << found.text;
  }
}

TEST(WorkClaims, ThatNeedTwoCoresAreNotMeasuredOnOne) {
  for (const Case& each : cases()) {
    const bool needs_two = each.claim == "threads-use-all-cores" ||
                           each.claim == "python-threads-take-turns" ||
                           each.claim == "concurrency-is-not-parallelism";
    if (!needs_two) continue;
    MadeUp evidence(of(each.holds, 4));
    evidence.one_core();
    const Finding found = claim_named(each.claim).judge(evidence);
    EXPECT_EQ(found.outcome, Outcome::not_measured) << each.claim;
    EXPECT_NE(found.text.find("there is one"), std::string::npos) << found.text;
    for (const Trial& trial : claim_named(each.claim).trials(evidence.settings())) {
      EXPECT_EQ(trial.cores.size(), 1u) << trial.name;
    }
  }
}

// In what is written a trial is known by its name.
TEST(WorkClaims, TrialsOfOneNameAreEqual) {
  std::map<std::string, Trial> seen;
  for (const auto& group : {parallel_claims(), coroutine_claims(), scheduling_claims()}) {
    for (const Claim& claim : group) {
      for (const Trial& trial : claim.trials(MadeUp({}).settings())) {
        EXPECT_EQ(seen.emplace(trial.name, trial).first->second, trial) << trial.name;
      }
    }
  }
  EXPECT_GT(seen.size(), 20u);
}

// Curves over what is turned: none of their points is lost when it was not measured.
TEST(WorkClaims, CurvesHaveAPlaceForEachValue) {
  for (const auto& [name, places] :
       {std::pair("short-quantum-is-overhead", 5u), std::pair("sjf-starves-long-jobs", 3u),
        std::pair("threads-use-all-cores", 2u)}) {
    const Finding found = claim_named(name).judge(MadeUp({}));
    ASSERT_TRUE(found.graph) << name;
    for (const auto& line : found.graph->lines) {
      EXPECT_EQ(line.x.size(), places) << line.name;
      EXPECT_EQ(line.y.size(), places) << line.name;
      EXPECT_FALSE(line.y.front()) << line.name;
    }
  }
}

}  // namespace
}  // namespace polyio::lab
