#include "lab/compare.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <ranges>
#include <stdexcept>

namespace polyio::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Figure cpu{"cpu_us", "server CPU", "µs", "needs"};
constexpr Figure throughput{"requests_per_second", "throughput", "requests/s", "has", true};
constexpr Figure switches{"switches_voluntary", "switches", "per request", "has", false, 0.01};
constexpr Figure calls{"system_calls", "system calls", "per request", "makes", false, 0.5, true};

TEST(CompareRule, RangesThatOverlapAreNoise) {
  EXPECT_EQ(judge(cpu, {10, 11, 12}, {12, 20, 30}, 0), Change::noise);
  EXPECT_EQ(judge(cpu, {10, 11, 12}, {12.1, 20, 30}, 0), Change::worse);
  EXPECT_EQ(judge(cpu, {12.1, 20, 30}, {10, 11, 12}, 0), Change::better);
  EXPECT_EQ(judge(cpu, {10, 11, 12}, {1, 50, 100}, 0), Change::noise);
  EXPECT_EQ(judge(throughput, {10, 11, 12}, {20, 21, 22}, 0), Change::better);
  EXPECT_EQ(judge(throughput, {20, 21, 22}, {10, 11, 12}, 0), Change::worse);
}

TEST(CompareRule, FewerThanThreeRoundsDecideNothing) {
  EXPECT_EQ(judge(cpu, {1, 1}, {100, 100, 100}, 0), Change::noise);
  EXPECT_EQ(judge(cpu, {1, 1, 1}, {100}, 0), Change::noise);
  EXPECT_EQ(judge(cpu, {1, 1, 1}, {100, 100, 100}, 0), Change::worse);
}

TEST(CompareRule, FromTenRoundsOnAStrayOneDoesNotHideADifference) {
  const std::vector<double> few{10, 10, 10, 10, 10, 10, 10, 10, 30};
  std::vector<double> many = few;
  many.push_back(10);
  const std::vector<double> nine(9, 20), ten(10, 20);
  EXPECT_EQ(judge(cpu, few, nine, 0), Change::noise);
  EXPECT_EQ(judge(cpu, many, ten, 0), Change::worse);
  EXPECT_EQ(judge(cpu, many, nine, 0), Change::worse);
  EXPECT_EQ(judge(cpu, few, ten, 0), Change::noise);
}

TEST(CompareRule, ADifferenceUpToTheSmallestIsNoise) {
  EXPECT_EQ(judge(cpu, {100, 100, 100}, {104, 104, 104}, 0.05), Change::noise);
  EXPECT_EQ(judge(cpu, {104, 104, 104}, {100, 100, 100}, 0.05), Change::noise);
  EXPECT_EQ(judge(cpu, {100, 100, 100}, {106, 106, 106}, 0.05), Change::worse);
  // It is a share of the smaller median: 5 is 5.3 % of 95.
  EXPECT_EQ(judge(cpu, {100, 100, 100}, {95, 95, 95}, 0.052), Change::better);
  EXPECT_EQ(judge(cpu, {0, 0, 0}, {0, 0, 0}, 0), Change::noise);
}

TEST(CompareRule, AHundredthPerRequestIsNoise) {
  EXPECT_EQ(judge(switches, {0, 0, 0}, {.009, .009, .009}, 0), Change::noise);
  EXPECT_EQ(judge(switches, {0, 0, 0}, {.02, .02, .02}, 0), Change::worse);
  EXPECT_EQ(judge(cpu, {0, 0, 0}, {.009, .009, .009}, 0), Change::worse);
}

TEST(CompareRule, WhatIsCountedOnceDiffersByHalfACall) {
  EXPECT_EQ(judge(calls, {2}, {2.4}, 0), Change::noise);
  EXPECT_EQ(judge(calls, {2}, {2.5}, 0), Change::worse);
  EXPECT_EQ(judge(calls, {3}, {2}, 0), Change::better);
}

Point point(std::string model, std::size_t connections = 100) {
  return {.model = std::move(model),
          .architecture = "loop",
          .handler = "echo",
          .connections = connections,
          .active = connections};
}

// Three rounds near `cpu_us`; all other figures are the same for all.
Measured measured(Point point, double cpu_us) {
  Measured made{std::move(point), {}, {{"recvfrom", 1}, {"sendto", 1}}};
  for (unsigned round = 1; round <= 3; ++round) {
    Run run{.round = round, .error = {}, .values = {}};
    for (const std::string_view name : measures()) run.values[std::string(name)] = 7;
    run.values["cpu_us"] = cpu_us * (1 + 0.01 * round);
    made.runs.push_back(std::move(run));
  }
  return made;
}

Recorded recorded(std::vector<Measured> points) {
  Recorded made;
  made.conditions = {{"rounds", 3}, {"kernel", "Linux 6"}};
  made.points = std::move(points);
  return made;
}

const FigureComparison& figure_of(const Compared& compared, std::string_view key) {
  return *std::ranges::find(compared.figures, key,
                            [](const FigureComparison& one) { return one.figure.key; });
}

TEST(Compare, TheSameDoesNotDiffer) {
  const Recorded one = recorded({measured(point("epoll"), 5), measured(point("poll"), 6)});
  const Compared compared = compare(one, one);
  EXPECT_EQ(compared.common, 2u);
  EXPECT_EQ(compared.differing, 0u);
  EXPECT_THAT(compared.conditions, IsEmpty());
  EXPECT_THAT(text_of(compared),
              AllOf(HasSubstr("0 of 2 points differ"), Not(HasSubstr("MODEL")),
                    HasSubstr("Within noise: server CPU, throughput"), HasSubstr("--rounds 5")));
}

TEST(Compare, TheWorstIsFirst) {
  const Compared compared =
      compare(recorded({measured(point("epoll", 1000), 5), measured(point("poll"), 6),
                        measured(point("select"), 10), measured(point("sigio"), 10)}),
              recorded({measured(point("epoll", 1000), 6.05), measured(point("poll"), 12),
                        measured(point("select"), 5), measured(point("sigio"), 10)}));
  EXPECT_EQ(compared.differing, 3u);
  const FigureComparison& found = figure_of(compared, "cpu_us");
  EXPECT_NEAR(found.smallest, 0.01 / 1.02, 1e-9);
  ASSERT_EQ(found.points.size(), 4u);
  EXPECT_EQ(found.points[0].point.model, "poll");
  EXPECT_NEAR(*found.points[0].ratio, 2, 1e-9);
  EXPECT_EQ(found.points[1].point.model, "epoll");
  EXPECT_EQ(found.points[2].change, Change::noise);
  EXPECT_EQ(found.points[3].change, Change::better);
  const std::string text = text_of(compared);
  EXPECT_THAT(text, HasSubstr("3 of 4 points differ, 2 worse, 1 better."));
  EXPECT_THAT(text, Not(HasSubstr("sigio")));
  const Json json = json_of(compared);
  EXPECT_EQ(json["figures"]["cpu_us"]["points"][0]["b_is"], "worse");
  EXPECT_EQ(json["figures"]["cpu_us"]["points"][2]["b_is"], "noise");
  EXPECT_EQ(json["figures"]["cpu_us"]["points"].size(), 4u);
}

TEST(Compare, TheFileWithTheWiderSpreadSetsTheSmallestDifference) {
  const Recorded narrow = recorded({measured(point("epoll"), 5)});
  Recorded wide = narrow;
  for (auto& run : wide.points[0].runs) run.values["cpu_us"] = 100 + 20 * run.round;
  EXPECT_NEAR(figure_of(compare(narrow, wide), "cpu_us").smallest, 20. / 140, 1e-9);
  EXPECT_NEAR(figure_of(compare(wide, narrow), "cpu_us").smallest, 20. / 140, 1e-9);
  for (auto& run : wide.points[0].runs) run.values["cpu_us"] = 0;
  EXPECT_EQ(figure_of(compare(wide, wide), "cpu_us").smallest, 0);
}

TEST(Compare, TheSummaryIsInPlainWords) {
  const Compared compared = compare(recorded({measured(point("epoll", 1000), 5)}),
                                    recorded({measured(point("epoll", 1000), 6.05)}));
  EXPECT_THAT(json_of(compared)["summary"][1].get<std::string>(),
              HasSubstr("Worst: B needs 1.21 times the server CPU of A at 1,000 connections with "
                        "epoll, loop."));
}

TEST(Compare, WhatIsInOneOnlyIsNamed) {
  Measured failed = measured(point("poll"), 1);
  for (auto& run : failed.runs) run = {.round = run.round, .error = "it broke", .values = {}};
  Measured other = measured(point("epoll"), 1);
  other.point.depth = 2;
  const Compared compared = compare(recorded({measured(point("epoll"), 1), failed}),
                                    recorded({other, measured(point("poll"), 1)}));
  EXPECT_EQ(compared.common, 0u);
  EXPECT_THAT(compared.only_a, ElementsAre("epoll, loop, 100 connections"));
  EXPECT_THAT(compared.only_b,
              ElementsAre("epoll, loop, 100 connections, 2 messages under way on each",
                          "poll, loop, 100 connections"));
  EXPECT_THAT(text_of(compared),
              AllOf(HasSubstr("Measured in B only: 2"), HasSubstr("Nothing was measured in both")));
}

TEST(Compare, WhatWasNotMeasuredIsNotCompared) {
  Measured without = measured(point("epoll"), 5);
  without.calls.clear();
  for (auto& run : without.runs) run.values.erase("memory_bytes_per_connection");
  const Compared compared = compare(recorded({measured(point("epoll"), 5)}), recorded({without}));
  EXPECT_THAT(text_of(compared), HasSubstr("Not in both: memory per connection, system calls."));
}

TEST(Compare, NothingBecomesARatioOfNothing) {
  Measured none = measured(point("epoll"), 5), some = measured(point("epoll"), 5);
  Measured tiny = measured(point("epoll"), 5);
  for (auto& run : none.runs) run.values["switches_involuntary"] = 0;
  for (auto& run : some.runs) run.values["switches_involuntary"] = 1e15;
  for (auto& run : tiny.runs) {
    run.values["switches_involuntary"] = std::numeric_limits<double>::denorm_min();
  }
  for (const Measured& less : {none, tiny}) {
    const Compared compared = compare(recorded({less}), recorded({some}));
    const Difference& one = figure_of(compared, "switches_involuntary").points[0];
    EXPECT_FALSE(one.ratio);
    EXPECT_EQ(one.change, Change::worse);
    EXPECT_THAT(text_of(compared), HasSubstr("1e+15 involuntary switches where A has"));
  }
}

TEST(Compare, ATerminalGetsNothingThatMovesItAndNothingTooWide) {
  Recorded a = recorded({}), b = recorded({});
  Point one = point("nonblocking", 1'000'000);
  one.active = 999'999;
  one.architecture = "process-per-connection";
  one.handler = std::string(40, 'h');
  for (; one.depth <= 30; ++one.depth) {
    one.size = 64;
    a.points.push_back(measured(one, 1e-300));
    b.points.push_back(measured(one, 1e15));
    one.size = 1 << 20;
    b.points.push_back(measured(one, 1));
  }
  b.conditions["kernel"] = "Linux \x1b[2J \xc2\x9b \xe2\x80\xae " + std::string(200, 'x');
  b.conditions["sy\x1bstem"] = "";
  for (int i = 0; i < 90; ++i) {
    b.conditions["kernel"] = b.conditions["kernel"].get<std::string>() + "é";
  }
  b.conditions["processor"] = Json::array({1, nullptr, "\n"});
  const std::string text = text_of(compare(a, b));
  EXPECT_THAT(text, AllOf(HasSubstr("\\x1B[2J"), HasSubstr("sy\\x1Bstem"), HasSubstr("and 20 more"),
                          Not(HasSubstr("\x1b")), Not(HasSubstr("\xe2\x80\xae"))));
  EXPECT_TRUE(Json::accept(Json(text).dump())) << "it is not UTF-8";
  for (const auto line : std::views::split(text, '\n')) {
    const auto width = std::ranges::count_if(
        line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80; });
    EXPECT_LE(width, 80) << std::string(line.begin(), line.end());
  }
}

Json written() {
  Results results = new_results("polyio lab run --out x y --quick",
                                {.rounds = 3, .server_cores = {0}, .load_cores = {1}},
                                {point("epoll"), point("poll"), point("select")});
  results.points[0] = measured(point("epoll"), 5);
  results.points[1].runs = {{.round = 1, .error = "it broke", .values = {}}};
  results.points[2].point.left_out = "no room";
  return Json::parse(to_json(results, {}));
}

std::string refusal_of(const std::string& text) {
  try {
    (void)read_results(text);
    return "it was taken";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST(CompareReads, WhatARunWrites) {
  const Recorded read = read_results(written().dump());
  ASSERT_EQ(read.points.size(), 3u);
  EXPECT_EQ(read.points[0].point, point("epoll"));
  EXPECT_EQ(read.points[0].runs.size(), 3u);
  EXPECT_EQ(read.points[2].point.left_out, "no room");
  EXPECT_FALSE(read.complete);
  EXPECT_EQ(read.conditions["rounds"], 3);
  EXPECT_EQ(read.conditions["command"], "polyio lab run y --quick");
  EXPECT_EQ(compare(read, read).common, 1u);
}

TEST(CompareReads, NothingElse) {
  for (const char* const text : {"", "{", "[]", "null", "1", "{}", R"({"schema": 1})", "\xff\xfe",
                                 R"({"schema": 2})", R"({"schema": [1]})"}) {
    EXPECT_THAT(refusal_of(text), HasSubstr("it is not")) << text;
  }
  EXPECT_THAT(refusal_of(std::string(1'000'000, '[')), HasSubstr("nested too deeply"));
  std::string deep = R"({"schema": 1, "a": )";
  for (int i = 0; i < 100; ++i) deep += R"({"a":)";
  EXPECT_THAT(refusal_of(deep), HasSubstr("nested too deeply"));
  std::string wide = R"({"schema": 1, "a": [0)", keys = "{\"schema\": 1";
  for (int i = 0; i < 20'000; ++i) {
    wide += ",0";
    keys += fmt::format(",\"{}\":0", i);
  }
  EXPECT_THAT(refusal_of(wide), HasSubstr("more values"));
  EXPECT_THAT(refusal_of(keys), HasSubstr("more values"));
  std::string quoted = R"({"schema": 2, "\\\"[[[[": ")";
  quoted += std::string(20'000, ',') + std::string(100, '{') + "\"}";
  EXPECT_THAT(refusal_of(quoted), HasSubstr("schema 1"));
}

TEST(CompareReads, NothingThatWasDamaged) {
  const std::vector<std::pair<std::string, Json>> damages{
      {"/schema", 2},
      {"/points/0/connections", 0},
      {"/points/0/connections", -1},
      {"/points/0/connections", 1.5},
      {"/points/0/connections", 1'000'001},
      {"/points/0/active", 101},
      {"/points/0/size", "64"},
      {"/points/0/depth", nullptr},
      {"/points/0/rate", -1},
      {"/points/0/rate", nullptr},
      {"/points/0/model", ""},
      {"/points/0/model", "\x1b[31m"},
      {"/points/0/model", "two words"},
      {"/points/0/model", "poll"},
      {"/points/0/architecture", std::string(41, 'x')},
      {"/points/0/handler", "é"},
      {"/points/0/runs/0/cpu_us", 1e16},
      {"/points/0/runs/0/cpu_us", -1e300},
      {"/points/0/runs/0/cpu_us", "1"},
      {"/points/0/runs/0/round", 4},
      {"/points/0/runs/1", 7},
      {"/points/0/system_calls", 2},
      {"/points/2/left_out", nullptr},
      {"/points", Json::object()},
      {"/points", nullptr},
      {"/settings/rounds", 0},
      {"/settings/rounds", 4294967296},
      {"/settings", nullptr},
      {"/machine", "mine"},
      {"/machine", Json::array()},
      {"/started", 5},
      {"/complete", "yes"},
      {"/command", Json::array()},
      {"/polyio", 1},
  };
  for (const auto& [place, value] : damages) {
    Json json = written();
    json[Json::json_pointer(place)] = value;
    EXPECT_NE(refusal_of(json.dump()), "it was taken") << place << " " << value;
  }
  for (const char* const place : {"/points/0/runs/0/cpu_us", "/points/0/runs", "/settings",
                                  "/machine", "/points/0/rate", "/points", "/complete"}) {
    Json json = written();
    const Json::json_pointer at(place);
    json[at.parent_pointer()].erase(at.back());
    EXPECT_NE(refusal_of(json.dump()), "it was taken") << place;
  }
  std::string huge = written().dump();
  huge.replace(huge.find("\"cpu_us\":") + 9, 1, "1e999");
  EXPECT_NE(refusal_of(huge), "it was taken");
}

}  // namespace
}  // namespace polyio::lab
