#include "lab/results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace polyio::lab {
namespace {

using testing::HasSubstr;

Run run_of(unsigned round, double cpu) {
  Run run{.round = round, .error = {}, .values = {}};
  for (const std::string_view name : measures()) run.values[std::string(name)] = cpu;
  return run;
}

Point point(std::string model, std::string left_out = {}) {
  return {.model = std::move(model),
          .architecture = "loop",
          .handler = "echo",
          .connections = 100,
          .active = 100,
          .left_out = std::move(left_out)};
}

Results fresh() {
  return new_results("polyio lab run --out x",
                     {.rounds = 2, .server_cores = {0}, .load_cores = {1}},
                     {point("epoll"), point("poll"), point("select", "no room")});
}

// The first round is whole, the second has begun.
Results interrupted() {
  Results results = fresh();
  results.points[0].runs = {run_of(1, 5), run_of(2, 6)};
  results.points[0].calls = {{"recvfrom", 1.0}, {"sendto", 1.0}};
  results.points[1].runs = {{.round = 1, .error = "it broke", .values = {}}};
  return results;
}

Json written() { return Json::parse(to_json(interrupted(), verdicts_of(interrupted()))); }

std::string refusal_of(const std::string& text) {
  Results results = fresh();
  try {
    take_over(results, text);
    return "it was taken";
  } catch (const std::runtime_error& error) {
    EXPECT_TRUE(results.points[0].runs.empty()) << "a part of it was taken";
    return error.what();
  }
}

TEST(Results, HaveTheFormOfTheirSchema) {
  const Json json = written();
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["complete"], false);
  EXPECT_TRUE(json["finished"].is_null());
  EXPECT_EQ(json["settings"]["rounds"], 2);
  const Json& epoll = json["points"][0];
  EXPECT_EQ(epoll["runs"][0]["latency_us"]["p99"], 5);
  EXPECT_EQ(epoll["system_calls_per_request"], 2);
  EXPECT_EQ(epoll["medians"]["cpu_us"]["median"], 5.5);
  EXPECT_FALSE(epoll.contains("left_out"));
  const Json& poll = json["points"][1];
  EXPECT_EQ(poll["runs"][0]["error"], "it broke");
  EXPECT_TRUE(poll["system_calls"].is_null());
  EXPECT_TRUE(poll["medians"]["cpu_us"].is_null());
  EXPECT_EQ(json["points"][2]["left_out"], "no room");
}

TEST(Results, AreGoneOnWith) {
  Results results = fresh();
  take_over(results, written().dump());
  EXPECT_EQ(results.points[0].runs.size(), 2u);
  EXPECT_EQ(results.points[0].runs[1].values.at("p999_us"), 6);
  EXPECT_EQ(results.points[0].calls.at("sendto"), 1.0);
  EXPECT_TRUE(results.points[1].has_round(1));
  EXPECT_FALSE(results.points[1].has_round(2));
  EXPECT_FALSE(results.complete());
  EXPECT_EQ(to_json(results, verdicts_of(results)), written().dump(1) + "\n");
}

TEST(Results, OfOtherSettingsAreRefused) {
  Json json = written();
  json["settings"]["rounds"] = 3;
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("with other options: polyio lab run --out x"));
  json = written();
  json["points"][0]["size"] = 65;
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("with other options"));
  json = written();
  json["points"].erase(0);
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("with other options"));
  json = written();
  json["machine"]["kernel"] = "Linux 1.0";
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("another machine"));
  json = written();
  json["polyio"] = "99";
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("another version"));
  json = written();
  json["schema"] = 2;
  EXPECT_THAT(refusal_of(json.dump()), HasSubstr("schema 1"));
}

TEST(Results, WhatIsNoneIsRefused) {
  for (const char* const text :
       {"", "{", "[]", "null", "1", "{}", R"({"schema": 1})", R"({"schema": "1"})", "\xff\xfe",
        R"({"schema": 1, "polyio": []})"}) {
    EXPECT_THAT(refusal_of(text), HasSubstr("can't go on from this results.json")) << text;
  }
  EXPECT_THAT(refusal_of(std::string(100'000, '[')), HasSubstr("can't go on"));
}

TEST(Results, DamagedOnesAreRefused) {
  const std::vector<std::pair<std::string, Json>> damages{
      {"/points/0/runs/0/round", 0},
      {"/points/0/runs/0/round", 3},
      {"/points/0/runs/0/round", -1},
      {"/points/0/runs/0/round", 1.5},
      {"/points/0/runs/0/round", 4294967297},
      {"/points/0/runs/1/round", 1},
      {"/points/0/runs/0/round", "1"},
      {"/points/0/runs/0/latency_us", 5},
      {"/points/0/runs/0/latency_us/p50", "fast"},
      {"/points/0/runs/0/cpu_us", Json::array()},
      {"/points/0/runs/0", nullptr},
      {"/points/0/runs", "none"},
      {"/points/0/runs", Json::array({1, 2, 3})},
      {"/points/1/runs/0/error", 7},
      {"/points/1/runs/0/error", ""},
      {"/points/1/runs/0/error", std::string(20'000, 'x')},
      {"/points/0/system_calls", Json::array()},
      {"/points/0/system_calls/recvfrom", "many"},
      {"/points/2/left_out", 1},
      {"/points/0", 1},
      {"/points", Json::object()},
      {"/command", nullptr},
      {"/started", 5},
  };
  for (const auto& [place, value] : damages) {
    Json json = written();
    json[Json::json_pointer(place)] = value;
    EXPECT_THAT(refusal_of(json.dump()), HasSubstr("can't go on")) << place << " " << value;
  }
  for (const char* const place : {"/points/0/runs/0/cpu_us", "/points/0/runs", "/settings",
                                  "/points/0/system_calls", "/points/0/model", "/finished"}) {
    Json json = written();
    const Json::json_pointer at(place);
    json[at.parent_pointer()].erase(at.back());
    EXPECT_THAT(refusal_of(json.dump()), HasSubstr("can't go on")) << place;
  }
}

TEST(Results, TextsThatAreNotUtf8AreWritten) {
  Results results = interrupted();
  results.points[1].runs[0].error = "bad \xff byte";
  EXPECT_TRUE(Json::accept(to_json(results, {})));
}

TEST(Results, FilesAreReplacedAsAWhole) {
  const std::string folder = testing::TempDir() + "lab" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string file = folder + "/results.json";
  write_file(file, "first");
  write_file(file, "second");
  EXPECT_EQ(read_file(file), "second");
  EXPECT_THROW((void)read_file(folder + "/missing"), std::runtime_error);
  EXPECT_THROW(write_file(folder + "/no/such/folder", "x"), std::system_error);
  std::size_t files = 0;
  for (const auto& each : std::filesystem::directory_iterator(folder))
    files += each.exists() ? 1 : 0;
  EXPECT_EQ(files, 1u);
  std::filesystem::remove_all(folder);
}

TEST(Results, VerdictsSayWhatToUse) {
  Results results = fresh();
  results.points[0].runs = {run_of(1, 5), run_of(2, 6)};
  results.points[1].runs = {run_of(1, 10), run_of(2, 12)};
  const auto verdicts = verdicts_of(results);
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].question, "Which model answers with the least CPU at 100 connections?");
  EXPECT_EQ(verdicts[0].answer, "epoll");
  EXPECT_FALSE(verdicts[0].within_noise);
  EXPECT_THAT(verdicts[0].text, HasSubstr("use epoll: 5.50 µs"));
  EXPECT_THAT(verdicts[0].text, HasSubstr("poll with 11.00 µs, 100 % more"));
  EXPECT_THAT(summary_of(results, verdicts), HasSubstr("select, loop: left out: no room"));
}

TEST(Results, ABusyMachineIsSaid) {
  Results results = fresh();
  results.points[0].runs = {run_of(1, 5)};
  results.points[0].runs[0].values["waited_for_core_share"] = 0.01;
  EXPECT_THAT(summary_of(results, {}), testing::Not(HasSubstr("busy")));
  results.points[0].runs[0].values["waited_for_core_share"] = 0.3;
  EXPECT_THAT(summary_of(results, {}), HasSubstr("The machine was busy: for 30 %"));
}

TEST(Results, VerdictsAlsoOnArchitectures) {
  Results results = fresh();
  results.points[1].point = point("epoll");
  results.points[1].point.architecture = "loops";
  results.points[0].runs = {run_of(1, 5), run_of(2, 6)};
  results.points[1].runs = {run_of(1, 4), run_of(2, 5)};
  const auto verdicts = verdicts_of(results);
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].answer, "loops");
  EXPECT_THAT(verdicts[0].question, HasSubstr("architecture"));
}

}  // namespace
}  // namespace polyio::lab
