// The claims, judged by made-up evidence: what they say of figures that are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <polyio/drivers/registry.hpp>
#include <set>

#include "lab/claims/experiment.hpp"
#include "lab/claims/judging.hpp"
#include "lab/engine.hpp"

namespace polyio::lab {
namespace {

using testing::HasSubstr;

Settings usual() { return {.quick = true, .rounds = 4, .server_cores = {0}, .load_cores = {0}}; }

class MadeUp final : public Evidence {
 public:
  void put(const Point& point, std::string_view measure, std::vector<double> rounds) {
    Series& series = figures_[name_of(point)][std::string(measure)];
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      series.by_round[static_cast<unsigned>(i + 1)] = rounds[i];
    }
  }
  void put_calls(const Point& point, std::map<std::string, double> calls) {
    calls_[name_of(point)] = std::move(calls);
  }
  void leave_out(const Point& point, std::string why) { missing_[name_of(point)] = std::move(why); }

  Series of(const Point& point, std::string_view measure) const override {
    const auto all = figures_.find(name_of(point));
    if (all == figures_.end()) return {};
    const auto found = all->second.find(std::string(measure));
    return found == all->second.end() ? Series() : found->second;
  }
  Series of(const Trial&, std::string_view) const override { return {}; }
  std::map<std::string, double> calls(const Point& point) const override {
    const auto found = calls_.find(name_of(point));
    return found == calls_.end() ? std::map<std::string, double>() : found->second;
  }
  std::string why_missing(const Point& point) const override {
    const auto found = missing_.find(name_of(point));
    return found == missing_.end() ? "it was not measured" : found->second;
  }
  std::string why_missing(const Trial&) const override { return "it was not tried"; }
  const Settings& settings() const override { return settings_; }

 private:
  Settings settings_ = usual();
  std::map<std::string, std::map<std::string, Series>> figures_;
  std::map<std::string, std::map<std::string, double>> calls_;
  std::map<std::string, std::string> missing_;
};

const Claim& claim(std::string_view name) {
  return *std::ranges::find(all_claims(), name, &Claim::name);
}
Point point(std::string_view name, std::size_t which) {
  return claim(name).points(usual()).at(which);
}

// A figure with which the claim holds, and one with which it does not.
struct Figures {
  std::size_t point;
  std::string_view measure;
  double good, bad;
};
struct Case {
  std::string_view claim;
  std::vector<Figures> figures;
};
std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.claim; }

class ClaimOf : public testing::TestWithParam<Case> {
 protected:
  Finding judged(const std::function<std::vector<double>(const Figures&)>& rounds) const {
    MadeUp evidence;
    for (const Figures& one : GetParam().figures) {
      evidence.put(point(GetParam().claim, one.point), one.measure, rounds(one));
    }
    return claim(GetParam().claim).judge(evidence);
  }
};

TEST_P(ClaimOf, Holds) {
  const Finding found = judged([](const Figures& one) { return std::vector(4, one.good); });
  EXPECT_EQ(found.outcome, Outcome::holds) << found.measured << found.text;
  EXPECT_FALSE(found.measured.empty());
}

TEST_P(ClaimOf, DoesNotHold) {
  const Finding found = judged([](const Figures& one) { return std::vector(4, one.bad); });
  EXPECT_EQ(found.outcome, Outcome::does_not_hold) << found.measured << found.text;
}

TEST_P(ClaimOf, IsWithinTheNoise) {
  const auto now_and_then = [](const Figures& one) {
    return std::vector{one.good, one.bad, one.good, one.bad};
  };
  const Finding found = judged(now_and_then);
  EXPECT_EQ(found.outcome, Outcome::within_noise) << found.measured << found.text;
  EXPECT_THAT(found.text, HasSubstr("than the noise"));
}

TEST(Judging, ASmallDivisorsNoiseHidesNothing) {
  const auto quantity = [](const char* name, std::map<unsigned, double> rounds) {
    return Quantity{name, "µs", {name, std::move(rounds)}, {}};
  };
  const Quantity large = quantity("large", {{1, 20'000}, {2, 20'000}, {3, 20'000}, {4, 20'000}});
  const Quantity small = quantity("small", {{1, 200}, {2, 200}, {3, 2000}, {4, 2000}});
  EXPECT_EQ(compare(large, Relation::at_least, 2, small).outcome, Outcome::holds);
  EXPECT_EQ(compare(large, Relation::at_most, 2, small).outcome, Outcome::does_not_hold);
  EXPECT_EQ(compare(large, Relation::at_least, 40, small).outcome, Outcome::within_noise);
  EXPECT_EQ(compare(small, Relation::at_most, 0.5, large).outcome, Outcome::holds);
}

TEST_P(ClaimOf, MeasuredOnceIsWithinTheNoise) {
  const Finding found = judged([](const Figures& one) { return std::vector{one.good}; });
  EXPECT_EQ(found.outcome, Outcome::within_noise);
  EXPECT_THAT(found.text, HasSubstr("take more rounds"));
}

constexpr std::string_view cpu = "cpu_us", p50 = "p50_us", p99 = "p99_us",
                           rate = "requests_per_second";
// The numbers of points are those of the claim's list.
const std::vector<Case> cases{
    {"few-connections-threads", {{0, cpu, 9, 20}, {1, cpu, 9, 20}, {2, cpu, 9, 9}, {3, cpu, 9, 9}}},
    {"many-connections-multiplexing", {{3, cpu, 20, 9}, {7, cpu, 9, 20}}},
    {"polling-burns-cpu",
     {{0, cpu, 19'000, 100}, {0, rate, 50, 50}, {1, cpu, 20, 20}, {1, rate, 50, 50}}},
    {"pause-delays", {{0, p50, 5000, 90}, {0, p99, 9900, 200}, {1, p50, 80, 80}}},
    {"select-grows", {{0, cpu, 8, 8}, {2, cpu, 20, 8}}},
    {"poll-grows", {{0, cpu, 8, 8}, {2, cpu, 20, 8}}},
    {"epoll-stays-flat", {{0, cpu, 8, 8}, {2, cpu, 8, 20}}},
    {"threads-cost-memory",
     {{0, "memory_bytes_per_connection", 500, 16'000},
      {1, "memory_bytes_per_connection", 16'000, 16'000},
      {2, "memory_bytes_per_connection", 130'000, 16'000}}},
    {"threads-cost-switches",
     {{0, "switches_voluntary", 0.1, 2},
      {0, "switches_involuntary", 0, 0},
      {1, "switches_voluntary", 1, 0.1},
      {1, "switches_involuntary", 0.1, 0.1},
      {2, "switches_voluntary", 1, 0.1},
      {2, "switches_involuntary", 0.1, 0.1}}},
    {"pools-have-a-ceiling",
     {{2, rate, 1500, 1500}, {4, rate, 1550, 6000}, {7, rate, 1500, 1500}, {9, rate, 9000, 1550}}},
    {"pool-size-fits-load",
     {{2, rate, 750, 750},  // waiting: 4, 32, 64
      {5, rate, 5000, 1000},
      {6, rate, 5000, 9000},
      {7, rate, 900, 900},  // computing: 1, 4
      {9, rate, 900, 3600}}},
    {"heavy-handler-holds-the-loop",
     {{0, p99, 20'000, 500}, {1, p99, 2000, 2000}, {2, p99, 2000, 2000}}},
};
INSTANTIATE_TEST_SUITE_P(All, ClaimOf, testing::ValuesIn(cases), [](const auto& one) {
  std::string name(one.param.claim);
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(Claims, OneOfTheRatiosThatDoesNotHoldIsEnough) {
  MadeUp evidence;
  evidence.put(point("few-connections-threads", 0), cpu, {9, 9});
  evidence.put(point("few-connections-threads", 1), cpu, {90, 90});
  evidence.put(point("few-connections-threads", 2), cpu, {9, 9});
  evidence.put(point("few-connections-threads", 3), cpu, {9, 9});
  const Finding found = claim("few-connections-threads").judge(evidence);
  EXPECT_EQ(found.outcome, Outcome::does_not_hold);
  EXPECT_THAT(found.measured,
              HasSubstr("10 connections: threads 90 µs against epoll 9 µs: 10 times"));
}

TEST(Claims, ALineIsDrawnOfWhatIsThere) {
  MadeUp evidence;
  evidence.put(point("many-connections-multiplexing", 1), cpu, {9, 9, 10});
  evidence.put(point("many-connections-multiplexing", 3), cpu, {20, 21, 20});
  const Finding found = claim("many-connections-multiplexing").judge(evidence);
  EXPECT_EQ(found.outcome, Outcome::not_measured);
  ASSERT_TRUE(found.graph);
  EXPECT_EQ(found.graph->lines[0].x, (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ(found.graph->lines[0].y,
            (std::vector<std::optional<double>>{std::nullopt, 9, std::nullopt, 20}));
}

TEST(Claims, TheCallsOfSelect) {
  const auto judged = [](double blocking, double one, double many) {
    MadeUp evidence;
    evidence.put_calls(point("select-suits-many", 0), {{"recvfrom", blocking}});
    evidence.put_calls(point("select-suits-many", 1), {{"recvfrom", one}});
    evidence.put_calls(point("select-suits-many", 2), {{"recvfrom", many}});
    return claim("select-suits-many").judge(evidence).outcome;
  };
  EXPECT_EQ(judged(2, 3, 2.1), Outcome::holds);
  EXPECT_EQ(judged(3, 3, 2.1), Outcome::does_not_hold);
  EXPECT_EQ(judged(2, 3, 3), Outcome::does_not_hold);
  EXPECT_TRUE(claim("select-suits-many").counts_calls);
}

TEST(Claims, WhereSelectEnds) {
  const Point select = point("select-ends-at-1024", 0), epoll = point("select-ends-at-1024", 1);
  MadeUp evidence;
  evidence.put(epoll, cpu, {9, 9});
  evidence.leave_out(select, "its server burnt down");
  const auto judged = [&] { return claim("select-ends-at-1024").judge(evidence); };
  EXPECT_EQ(judged().outcome, Outcome::not_measured);
  EXPECT_THAT(judged().text, HasSubstr("burnt down"));
  evidence.leave_out(select, find_model("select")->limit.reason);
  EXPECT_EQ(judged().outcome, Outcome::holds);
  EXPECT_EQ(claim("epoll-ends-at-open-files").judge(evidence).outcome, Outcome::holds);
  evidence.put(select, cpu, {9, 9});
  EXPECT_EQ(judged().outcome, Outcome::does_not_hold);
}

TEST(Claims, AreNamedOnceAndSayWhatTheyNeed) {
  std::set<std::string_view> names;
  for (const Claim& one : all_claims()) {
    EXPECT_TRUE(names.insert(one.name).second) << one.name;
    EXPECT_FALSE(one.claim.empty() || one.source.empty()) << one.name;
    EXPECT_TRUE(one.points || one.trials) << one.name;
  }
  EXPECT_GE(names.size(), 15u);
}

TEST(Claims, WithoutFiguresEachSaysWhyItWasNotMeasured) {
  const Results results = plan_of(choose_claims(all_claims(), {}), "polyio lab claims", usual());
  for (const auto& [one, finding] : judge(choose_claims(all_claims(), {}), Measurements(results))) {
    EXPECT_EQ(finding.outcome, Outcome::not_measured) << one.name;
    EXPECT_FALSE(finding.text.empty()) << one.name;
  }
}

TEST(Claims, AreChosenByName) {
  const auto chosen = choose_claims(all_claims(), {"poll-grows", "few-connections-threads"});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[0].name, "few-connections-threads");
  EXPECT_EQ(choose_claims(all_claims(), {}).size(), all_claims().size());
  try {
    (void)choose_claims(all_claims(), {"pol-grows"});
    FAIL() << "it was taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("no claim \"pol-grows\": few-connections-threads, many-"));
  }
}

// --- the experiment ---

Trial shell(std::string name, std::string line) {
  return {.name = std::move(name), .arguments = {"-c", std::move(line)}, .program = "/bin/sh"};
}
constexpr const char* shared_trial = "echo '{\"value\": 3.5, \"fits\": true, \"name\": \"x\"}'";

std::vector<Trial> two_trials(const Settings&) {
  return {shell("one", shared_trial), shell("broken", "echo it is broken >&2; exit 1")};
}
std::vector<Trial> one_trial(const Settings&) { return {shell("one", shared_trial)}; }
std::vector<Point> echo_points(const Settings&) {
  return {point_of("epoll", "loop", 10), point_of("epoll", "loop", 20)};
}
std::vector<Point> other_points(const Settings&) {
  return {point_of("epoll", "loop", 20), point_of("blocking", "loop", 20)};
}
Finding judge_trial(const Evidence& evidence) {
  const auto value = quantity_of(evidence, shell("one", shared_trial), "value", "s", "the trial's");
  return compare(value, Relation::at_least, 1, bound(2, value));
}
Finding judge_broken(const Evidence& evidence) {
  const auto value = quantity_of(evidence, two_trials({})[1], "value", "s", "the other's");
  return compare(value, Relation::at_least, 1, bound(2, value));
}

const std::vector<Claim> made{
    {"first", "A value is at least 2 s.", "S9", nullptr, two_trials, judge_trial},
    {"second", "The same of another.", "S9", echo_points, one_trial, judge_broken},
    {"third", "Of calls.", "S9", other_points, nullptr, judge_broken, true}};

TEST(Experiment, MeasuresEqualPointsAndTrialsOnce) {
  const Results results = plan_of(made, "polyio lab claims", usual());
  EXPECT_EQ(results.trials.size(), 2u);
  ASSERT_EQ(results.points.size(), 3u);
  EXPECT_FALSE(results.points[0].wants_calls);
  EXPECT_TRUE(results.points[1].wants_calls) << "one of two claims wants them";
  EXPECT_THAT(results.points[2].point.left_out, HasSubstr("one blocking call"));
  for (const Measured& one : results.points) EXPECT_FALSE(one.wants_accepts);
}

TEST(Experiment, RunsTrialsInRoundsAndKeepsTheirFiguresAndErrors) {
  const std::vector<Claim> trials{made[0]};
  Results results = plan_of(trials, "polyio lab claims", usual());
  std::vector<std::size_t> saved;
  Engine(results, [&] { saved.push_back(results.trials[0].runs.size()); }).run();
  EXPECT_EQ(saved, (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_TRUE(results.complete());
  EXPECT_FALSE(results.finished.empty());

  const Measurements measured(results);
  const Series values = measured.of(two_trials({})[0], "value");
  EXPECT_EQ(values.by_round, (std::map<unsigned, double>{{1, 3.5}, {2, 3.5}, {3, 3.5}, {4, 3.5}}));
  EXPECT_EQ(measured.of(two_trials({})[0], "fits").by_round.at(1), 1);
  EXPECT_TRUE(measured.of(two_trials({})[0], "name").by_round.empty());
  EXPECT_EQ(measured.why_missing(two_trials({})[1]), "it is broken");
  EXPECT_EQ(judge_trial(measured).outcome, Outcome::holds);
  EXPECT_EQ(judge_trial(measured).measured, "the trial's 3.5 s (quartiles 3.5 to 3.5)");
  EXPECT_EQ(judge_broken(measured).outcome, Outcome::not_measured);
  EXPECT_EQ(judge_broken(measured).text, "broken: it is broken");
}

TEST(Experiment, AProgramThatFailsHasNoFigures) {
  const auto reason = [](Trial trial) {
    Results results = new_results("polyio lab claims", usual(), {});
    results.settings.rounds = 1;
    results.trials.push_back({std::move(trial), {}});
    Engine(results, [] {}).run();
    EXPECT_TRUE(results.trials[0].runs.at(0).values.empty());
    return Measurements(results).why_missing(results.trials[0].trial);
  };
  EXPECT_EQ(reason(shell("code", "echo '{\"value\": 1}'; exit 3")), "it ended with code 3");
  EXPECT_THAT(reason(shell("killed", "echo '{}'; kill -9 $$")), HasSubstr("killed by signal 9"));
  EXPECT_EQ(reason(shell("silent", ":")), "it printed no figures");
  EXPECT_EQ(reason(shell("no JSON", "echo {")), "it printed no figures");
  EXPECT_EQ(reason(shell("a list", "echo [1]")), "it printed no figures");
  EXPECT_EQ(reason({.name = "absent", .arguments = {}, .program = "/nowhere/python3"}),
            "it can't be started");
}

TEST(Experiment, WhatWasNotComeToIsNotMeasuredAndTheRestIsJudged) {
  Results results = plan_of(made, "polyio lab claims", usual());
  results.trials[0].runs = {{.round = 1, .error = {}, .values = {{"value", 3.5}}},
                            {.round = 2, .error = {}, .values = {{"value", 3.5}}}};
  EXPECT_FALSE(results.complete());
  const auto judged = judge(made, Measurements(results));
  EXPECT_EQ(judged[0].finding.outcome, Outcome::holds);
  EXPECT_EQ(judged[1].finding.text, "broken: it was not measured");
}

TEST(Experiment, HasTheFormOfItsSchema) {
  Results results = plan_of(made, "polyio lab claims --quick", usual());
  EXPECT_EQ(busy_warning(results), "");
  results.points[0].runs = {
      {.round = 1, .error = {}, .values = {{"cpu_us", 5}, {"waited_for_core_share", 0.25}}}};
  results.trials[1].runs = {{.round = 1, .error = "broken", .values = {}}};
  std::vector<Judged> judged = judge(made, Measurements(results));
  judged[0].finding.graph = Graph{"x", "y", {{"line", {1, 2}, {3, std::nullopt}}}};
  const Json json = Json::parse(to_json(results, judged));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["command"], "polyio lab claims --quick");
  EXPECT_EQ(json["complete"], false);
  EXPECT_EQ(json["waited_for_core_share"], 0.25);
  EXPECT_THAT(busy_warning(results), HasSubstr("for 25 % of the time"));
  EXPECT_FALSE(json.contains("points")) << "the report would take them for a run's";
  const Json& first = json["claims"][0];
  EXPECT_EQ(first["name"], "first");
  EXPECT_EQ(first["claim"], "A value is at least 2 s.");
  EXPECT_EQ(first["source"], "S9");
  EXPECT_EQ(first["verdict"], "not measured");
  EXPECT_EQ(first["text"], "one: it was not measured");
  EXPECT_TRUE(first["chart"]["series"][0]["y"][1].is_null());
  EXPECT_TRUE(json["claims"][1]["chart"].is_null());
  EXPECT_EQ(json["evidence"]["points"][0]["name"], "epoll, loop, 10 connections");
  EXPECT_EQ(json["evidence"]["points"][0]["medians"]["cpu_us"]["median"], 5);
  EXPECT_EQ(json["evidence"]["trials"][1]["runs"][0]["error"], "broken");
}

TEST(Experiment, ItsTableFitsATerminal) {
  std::vector<Judged> judged;
  for (const Claim& one : all_claims()) {
    judged.push_back({one, finding(true, std::string(200, 'x') + " µs", "And so on.")});
  }
  std::istringstream lines(table_of(judged) + list_of(all_claims()));
  for (std::string line; std::getline(lines, line);) {
    const auto letters = std::ranges::count_if(line, [](char c) { return (c & '\xc0') != '\x80'; });
    EXPECT_LE(letters, 80) << line;
  }
  EXPECT_THAT(table_of(judged), HasSubstr("\nholds               few-connections-threads: For "));
}

}  // namespace
}  // namespace polyio::lab
