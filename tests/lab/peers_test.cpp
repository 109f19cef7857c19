#include "lab/peers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "lab/engine.hpp"

namespace polyio::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Peers : public testing::Test {
 protected:
  Peers() : folder_(testing::TempDir() + "polyio-peers-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~Peers() override { std::filesystem::remove_all(folder_); }
  std::string put(const std::string& name) {
    const std::string file = folder_ + "/" + name;
    std::ofstream(file) << "#!/bin/sh\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
  }
  std::string folder_;
};

TEST_F(Peers, WhatIsNotThereIsMissingWithWhatToInstall) {
  const auto found = find_peers(folder_, {});
  ASSERT_EQ(found.size(), all_peers().size());
  for (const FoundPeer& each : found) {
    EXPECT_TRUE(each.program.empty());
    EXPECT_THAT(each.missing, HasSubstr(std::string(each.peer->package)));
    EXPECT_THAT(each.missing, HasSubstr(std::string(each.peer->file)));
  }
}

TEST_F(Peers, OnlyThoseThatWereAskedFor) {
  const std::string file = put("echo_libuv");
  const auto found = find_peers(folder_, {"go", "libuv"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].peer->name, "libuv");
  EXPECT_THAT(found[0].program, ElementsAre(file));
  EXPECT_EQ(found[0].missing, "");
  EXPECT_EQ(found[1].peer->name, "go");
  EXPECT_NE(found[1].missing, "");
  try {
    find_peers(folder_, {"libevnt"});
    ADD_FAILURE() << "taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"libevnt\": hand-epoll, "));
    EXPECT_THAT(error.what(), HasSubstr("libevent, libevent-bufferevent"));
  }
}

TEST_F(Peers, APlanHasTheSameLoadsForAll) {
  for (const char* const name : {"echo_epoll", "echo_select", "echo_threads"}) put(name);
  const auto found =
      find_peers(folder_, {"hand-epoll", "hand-select", "hand-threads", "libuv", "go"});
  Dials dials;
  dials.connections = {10, 5000};
  dials.depth = {1, 16};
  const auto plan = plan_with_peers(dials, list_models(), {.descriptors = 20'000}, found);
  std::map<std::string, std::vector<const Point*>> by_model;
  for (const Point& point : plan) by_model[point.model].push_back(&point);
  EXPECT_EQ(by_model.size(), 8U);
  for (const auto& [model, points] : by_model) {
    ASSERT_EQ(points.size(), 4U) << model;
    EXPECT_EQ(points[1]->depth, 16U);
    EXPECT_EQ(points[2]->active, 100U);
  }
  EXPECT_EQ(by_model["epoll"][0]->architecture, "loop");
  EXPECT_TRUE(by_model["epoll"][0]->program.empty());
  EXPECT_EQ(by_model["blocking"][0]->architecture, "thread-per-connection");
  EXPECT_EQ(by_model["hand-epoll"][0]->architecture, "hand-written");
  EXPECT_THAT(by_model["hand-epoll"][0]->program, ElementsAre(folder_ + "/echo_epoll"));
  EXPECT_EQ(by_model["hand-select"][1]->left_out, "");
  EXPECT_THAT(by_model["hand-select"][2]->left_out, HasSubstr("1,000 connections"));
  EXPECT_EQ(by_model["libuv"][0]->architecture, "peer");
  EXPECT_THAT(by_model["libuv"][0]->left_out, HasSubstr("libuv1-dev"));
  EXPECT_FALSE(spreads("peer") || spreads("hand-written"));
}

TEST_F(Peers, AProgramOfItsOwnIsStarted) {
  Point point{.model = "x", .architecture = "peer", .handler = "echo"};
  point.program = {"/bin/echo", "listening on", "127.0.0.1:1 (x)"};
  Child server(server_of(point));
  const auto line = server.read_line(std::chrono::seconds(20));
  EXPECT_EQ(ready_address(server, line), "127.0.0.1:1");
}

Measured measured(std::string model, std::string_view architecture, std::vector<double> cpu) {
  Measured one{{.model = std::move(model),
                .architecture = std::string(architecture),
                .handler = "echo",
                .connections = 100,
                .active = 100},
               {},
               {}};
  for (const double each : cpu) {
    const auto round = static_cast<unsigned>(one.runs.size() + 1);
    one.runs.push_back({.round = round, .error = {}, .values = {{"cpu_us", each}}});
  }
  return one;
}

TEST(PeersVerdicts, TheBestOfPolyioAgainstTheBestOfTheOthersAndByHand) {
  Results results;
  results.points = {measured("epoll", "loop", {5.0, 5.1, 5.0}),
                    measured("blocking", "thread-per-connection", {9.0, 9.0, 9.0}),
                    measured("hand-epoll", by_hand, {4.0, 4.1, 4.0}),
                    measured("libuv", other_library, {6.0, 6.1, 6.0}),
                    measured("go", other_library, {7.0, 7.0, 7.0})};
  const auto verdicts = verdicts_of(results);
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[0].question, "polyio or another library: least CPU at 100 connections?");
  EXPECT_EQ(verdicts[0].answer, "polyio (epoll)");
  EXPECT_THAT(verdicts[0].text, HasSubstr("next is libuv with 6.00 µs, 20 % more"));
  EXPECT_THAT(verdicts[1].text, HasSubstr("epoll needs 5.00 µs, hand-epoll 4.00 µs: 25 % more"));
  EXPECT_THAT(verdicts[1].text, testing::Not(HasSubstr("blocking")));
  EXPECT_FALSE(verdicts[1].within_noise);
}

TEST(PeersVerdicts, NoiseAndALibraryThatIsBetter) {
  Results results;
  results.points = {measured("epoll", "loop", {5.0, 6.0, 4.0}),
                    measured("hand-epoll", by_hand, {5.1, 4.1, 5.0}),
                    measured("libuv", other_library, {2.0, 2.0, 2.0})};
  const auto verdicts = verdicts_of(results);
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[0].answer, "libuv");
  EXPECT_TRUE(verdicts[1].within_noise);
  EXPECT_EQ(verdicts[1].answer, "nothing that is above the noise");
}

}  // namespace
}  // namespace polyio::lab
