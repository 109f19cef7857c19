#include "lab/figures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polyio::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Measured measured(std::string model, std::string architecture, std::size_t connections,
                  std::size_t active, double cpu) {
  Measured one{{.model = std::move(model),
                .architecture = std::move(architecture),
                .handler = "echo",
                .connections = connections,
                .active = active},
               {},
               {}};
  one.runs.push_back({.round = 1, .error = {}, .values = {{"cpu_us", cpu}}});
  return one;
}

std::vector<std::string> files_of(const std::vector<GraphFile>& figures) {
  std::vector<std::string> files;
  for (const GraphFile& figure : figures) files.push_back(figure.file);
  return files;
}

std::vector<std::string> lines_of(const GraphFile& figure) {
  std::vector<std::string> names;
  for (const Graph::Line& line : figure.graph.lines) names.push_back(line.name);
  return names;
}

TEST(Figures, ModelsInOneAndTheArchitecturesOfOneModelInAnother) {
  const auto figures = figures_of(
      {measured("epoll", "loop", 1, 1, 5), measured("epoll", "loop", 100, 100, 6),
       measured("epoll", "loops", 1, 1, 7), measured("blocking", "thread-pool", 1, 1, 8)});
  EXPECT_THAT(files_of(figures), ElementsAre("cpu", "cpu-architectures"));
  EXPECT_THAT(lines_of(figures[0]), ElementsAre("epoll, loop", "blocking, thread-pool"));
  EXPECT_THAT(lines_of(figures[1]), ElementsAre("epoll, loop", "epoll, loops"));
  EXPECT_THAT(figures[0].graph.lines[0].x, ElementsAre(1, 100));
  EXPECT_THAT(figures[0].graph.lines[0].y, ElementsAre(5, 6));
}

TEST(Figures, EachLoadHasItsOwn) {
  std::vector<Measured> points{measured("epoll", "loop", 1, 1, 5),
                               measured("epoll", "loop", 1000, 100, 6),
                               measured("epoll", "loop", 1000, 1000, 7)};
  points.push_back(points[0]);
  points.back().point.handler = "cpu:1ms";
  const auto figures = figures_of(points);
  ASSERT_THAT(files_of(figures), ElementsAre("cpu", "cpu-2", "cpu-3", "cpu-4"));
  EXPECT_THAT(figures[0].title, HasSubstr(", 100 active at most"));
  EXPECT_THAT(figures[0].graph.lines[0].y, ElementsAre(5, 6));
  EXPECT_THAT(figures[1].title, HasSubstr(", handler cpu:1ms"));
  EXPECT_EQ(figures[2].title, "Server CPU time per request");
  EXPECT_THAT(figures[2].graph.lines[0].y, ElementsAre(5, 7));
}

TEST(Figures, OfManyLinesTheOnesWithTheLeastCpu) {
  std::vector<Measured> points;
  for (int i = 0; i < 15; ++i) {
    points.push_back(measured("m" + std::to_string(i), "loop", 1, 1, 100 - i));
  }
  const auto figures = figures_of(points);
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures[0].graph.lines.size(), most_lines);
  EXPECT_EQ(figures[0].graph.lines[0].name, "m14, loop");
  EXPECT_THAT(figures[0].title, HasSubstr("5 more left out"));
}

TEST(Figures, NothingMeasuredNothingDrawn) {
  Measured failed = measured("epoll", "loop", 1, 1, 5);
  failed.runs[0] = {.round = 1, .error = "it broke", .values = {}};
  EXPECT_THAT(figures_of({failed}), IsEmpty());
  EXPECT_THAT(figures_of({}), IsEmpty());
}

}  // namespace
}  // namespace polyio::lab
