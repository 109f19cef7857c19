#include "lab/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "lab/handlers.hpp"

namespace polyio::lab {
namespace {

using testing::HasSubstr;

// The registry's rows, all of which can be used.
std::vector<ModelInfo> models() {
  std::vector<ModelInfo> all = list_models();
  for (ModelInfo& info : all) {
    if (info.traits->make) info.available = true;
    if (info.available) info.reason.clear();
  }
  return all;
}

std::vector<Point> plan_of(const Dials& dials, const Limits& limits = {.descriptors = 20'000}) {
  return make_plan(dials, models(), limits);
}

Dials pair(std::string model, std::string architecture, std::vector<std::size_t> connections) {
  Dials dials;
  dials.models = {std::move(model)};
  dials.architectures = {std::move(architecture)};
  dials.connections = std::move(connections);
  return dials;
}

TEST(Plan, HasEveryCombinationOnce) {
  Dials dials = pair("epoll", "loop", {1, 10, 10});
  dials.size = {64, 128};
  dials.depth = {1, 16};
  dials.rate = {0, 1000};
  dials.handlers = {"echo", "sleep:5ms"};
  const auto plan = plan_of(dials);
  EXPECT_EQ(plan.size(), 2u * 2 * 2 * 2 * 2);
  std::set<std::string> names;
  for (const Point& point : plan) names.insert(name_of(point));
  EXPECT_EQ(names.size(), plan.size());
}

TEST(Plan, NoMoreTalkThanThereAre) {
  Dials dials = pair("epoll", "loop", {10, 1000});
  dials.active = {0, 100, 200};
  std::vector<std::size_t> active;
  for (const Point& point : plan_of(dials)) active.push_back(point.active);
  EXPECT_THAT(active, testing::ElementsAre(10, 1000, 100, 200));
}

TEST(Plan, WithoutNamesItHasTheModelsOfThisSystemAndAllArchitectures) {
  std::set<std::string> had;
  Dials dials;
  dials.connections = {1};
  const auto plan = plan_of(dials);
  for (const Point& point : plan) had.insert(point.model);
  EXPECT_TRUE(had.contains("epoll") && had.contains("blocking"));
  EXPECT_FALSE(had.contains("kqueue"));
  EXPECT_EQ(plan.size(), had.size() * list_architectures().size());
}

TEST(Plan, QuickTakesTheFirstArchitectureAndAllOfTheBestModel) {
  Dials dials;
  dials.models = {"epoll", "poll", "blocking"};
  dials.connections = {1};
  dials.quick = true;
  std::vector<std::string> pairs;
  for (const Point& point : plan_of(dials)) pairs.push_back(point.model + "/" + point.architecture);
  EXPECT_EQ(pairs.size(), list_architectures().size() + 2);
  EXPECT_THAT(pairs, testing::Contains("poll/loop"));
  EXPECT_THAT(pairs, testing::Contains("blocking/thread-per-connection"));
}

TEST(Plan, WhatDoesNotGoTogetherIsLeftOutWithTheRegistrysReason) {
  Dials dials = pair("blocking", "loop", {1});
  dials.models.emplace_back("epoll");
  const auto plan = plan_of(dials);
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_THAT(plan[0].left_out, HasSubstr("one blocking call would hold up all connections"));
  EXPECT_EQ(plan[1].left_out, "");
}

TEST(Plan, AModelThatIsMissingIsLeftOut) {
  Dials dials = pair("kqueue", "loop", {1});
  dials.models.emplace_back("epoll");
  EXPECT_THAT(plan_of(dials)[0].left_out, HasSubstr("kqueue is of macOS"));
}

TEST(Plan, LimitsOfTheMachineLeaveOut) {
  const auto why = [](const Dials& dials, const Limits& limits) {
    for (const Point& point : plan_of(dials, limits)) {
      if (point.connections > 1) return point.left_out;
    }
    return std::string("not planned");
  };
  EXPECT_THAT(why(pair("epoll", "loop", {1, 10'000}), {.descriptors = 1024}),
              HasSubstr("1,024 descriptors"));
  EXPECT_EQ(why(pair("epoll", "loop", {1, 900}), {.descriptors = 1024}), "");
  EXPECT_THAT(why(pair("epoll", "thread-per-connection", {1, 900}), {.descriptors = 1024}),
              HasSubstr("a connection takes three"));
  EXPECT_EQ(why(pair("blocking", "thread-per-connection", {1, 900}), {.descriptors = 1024}), "");
  EXPECT_THAT(why(pair("epoll", "iterative", {1, 2}), {.descriptors = 1024}),
              HasSubstr("one connection after the other"));
  EXPECT_THAT(why(pair("epoll", "thread-pool", {1, 2000}), {.descriptors = 20'000}),
              HasSubstr("1,024 at most"));
  EXPECT_THAT(why(pair("epoll", "process-per-connection", {1, 1000}),
                  {.descriptors = 20'000, .memory = 1u << 30}),
              HasSubstr("processes would take"));
  EXPECT_EQ(why(pair("epoll", "loop", {1, 1000}), {.descriptors = 20'000, .memory = 1}), "");
}

TEST(Plan, WorkersThatServeOneEachAreAsManyAsConnections) {
  EXPECT_EQ(plan_of(pair("epoll", "thread-pool", {100}))[0].workers, 100u);
  EXPECT_EQ(plan_of(pair("blocking", "prefork", {70}))[0].workers, 70u);
  EXPECT_EQ(plan_of(pair("epoll", "prefork", {70}))[0].workers, 0u);
}

std::string refused(const Dials& dials) {
  try {
    (void)plan_of(dials);
    return "it was planned";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(Plan, UnknownNamesAreRefusedWithThoseThatThereAre) {
  EXPECT_THAT(refused(pair("epol", "loop", {1})), HasSubstr("io_uring, epoll"));
  EXPECT_THAT(refused(pair("epoll", "lop", {1})), HasSubstr("loop, loops"));
  Dials dials = pair("epoll", "loop", {1});
  dials.handlers = {"nap:5ms"};
  EXPECT_THAT(refused(dials), HasSubstr("sleep:5ms"));
}

TEST(Plan, NothingToMeasureIsRefused) {
  EXPECT_THAT(refused(pair("blocking", "loop", {1})), HasSubstr("nothing of that can be measured"));
}

TEST(Plan, NamesSayWhatDiffersFromTheUsual) {
  EXPECT_EQ(name_of({.model = "epoll",
                     .architecture = "loop",
                     .handler = "echo",
                     .connections = 10'000,
                     .active = 100,
                     .left_out = {}}),
            "epoll, loop, 10,000 connections, 100 of them active");
  EXPECT_EQ(name_of({.model = "blocking",
                     .architecture = "thread-pool",
                     .handler = "echo",
                     .connections = 32,
                     .active = 32,
                     .left_out = {},
                     .workers = 4,
                     .connects = true}),
            "blocking, thread-pool, 4 workers, 32 connections, each for one message");
  EXPECT_EQ(load_of({.model = {},
                     .architecture = {},
                     .handler = "cpu:1ms",
                     .size = 4096,
                     .depth = 16,
                     .rate = 500,
                     .left_out = {}}),
            "1 connection, 4,096 bytes, 16 messages under way on each, 500 requests per second, "
            "handler cpu:1ms");
}

TEST(Handlers, AreReadFromTheirNames) {
  EXPECT_EQ(parse_work("echo").kind, Work::Kind::echo);
  EXPECT_EQ(parse_work("sleep:5ms").kind, Work::Kind::sleep);
  EXPECT_EQ(parse_work("sleep:5ms").span, std::chrono::milliseconds(5));
  EXPECT_EQ(parse_work("cpu:200us").kind, Work::Kind::cpu);
  EXPECT_EQ(parse_work("sleep:60s").span, std::chrono::minutes(1));
  EXPECT_EQ(parse_work("sleep:60s").every, 1u);
  EXPECT_EQ(parse_work("offload:20ms/400").kind, Work::Kind::offload);
  EXPECT_EQ(parse_work("offload:20ms/400").span, std::chrono::milliseconds(20));
  EXPECT_EQ(parse_work("offload:20ms/400").every, 400u);
  for (const char* const bad : {"",
                                "sleep",
                                "sleep:",
                                "sleep:5",
                                "sleep:ms",
                                "sleep:0ms",
                                "sleep:-5ms",
                                "sleep:5 ms",
                                "sleep:61s",
                                "cpu:99999999999999999999s",
                                "cpu:9223372036854775807us",
                                "Echo",
                                "echo:5ms",
                                "sleep:5msx",
                                "cpu:5ms/",
                                "cpu:5ms/0",
                                "cpu:5ms/-1",
                                "cpu:5ms/1x",
                                "cpu:5ms/2000000",
                                "cpu/5",
                                "cpu:/5",
                                "echo/5"}) {
    EXPECT_THROW((void)parse_work(bad), std::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace polyio::lab
