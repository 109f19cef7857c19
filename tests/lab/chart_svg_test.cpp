#include "lab/chart_svg.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <set>

namespace polyio::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

Graph graph_of(std::vector<double> x, std::vector<std::optional<double>> y) {
  return {"connections", "CPU", {{"epoll", std::move(x), std::move(y)}}};
}

std::vector<std::string> found(const std::string& text, const char* pattern) {
  const std::regex wanted(pattern);
  std::vector<std::string> all;
  for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at) {
    all.push_back((*at)[1]);
  }
  return all;
}

// Every number of the drawing, and nothing that looks like one and is none.
void expect_sound(const std::string& svg) {
  EXPECT_THAT(svg, AllOf(testing::StartsWith("<svg "), testing::EndsWith("</svg>\n")));
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
  EXPECT_THAT(found(svg, "(=\"[^\"a-z]*e[+-][0-9])"), testing::IsEmpty());
  for (const std::string& place : found(svg, " (?:[xy][12]?|c[xy])=\"(-?[0-9.]+)\"")) {
    EXPECT_LE(std::abs(std::stod(place)), 2000) << place;
  }
}

std::vector<std::string> texts(const std::string& svg) { return found(svg, "<text[^>]*>([^<]*)<"); }

TEST(ChartSvg, AxesHaveRoundTicks) {
  const std::string svg = svg_of(graph_of({1, 2, 3}, {4.0, 9.5, 7.0}), "CPU");
  expect_sound(svg);
  EXPECT_THAT(texts(svg), ElementsAre("CPU", "0", "2", "4", "6", "8", "10", "1", "1.5", "2", "2.5",
                                      "3", "connections", "CPU", "epoll"));
}

TEST(ChartSvg, FromFiftyfoldOnAnAxisIsLogarithmic) {
  const std::string svg =
      svg_of(graph_of({1, 10, 100, 1000, 10'000}, {2.0, 3.0, 4.0, 5.0, 100.0}), "CPU");
  expect_sound(svg);
  EXPECT_THAT(texts(svg), IsSupersetOf({"1", "10", "100", "1,000", "10,000", "2", "5", "50"}));
  const auto places = found(svg, "<circle cx=\"([0-9.]+)\"");
  ASSERT_GE(places.size(), 3U);
  EXPECT_NEAR(std::stod(places[1]) - std::stod(places[0]),
              std::stod(places[2]) - std::stod(places[1]), 0.2);
  EXPECT_THAT(texts(svg_of(graph_of({1, 49}, {1.0, 2.0}), "")), testing::Contains("40"));
}

TEST(ChartSvg, TextIsText) {
  Graph graph = graph_of({1, 2}, {1.0, 2.0});
  graph.x_label = "<a href=\"x\">";
  graph.lines[0].name = "a & b\x01";
  const std::string svg = svg_of(graph, "</title><script>");
  expect_sound(svg);
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;a href=&quot;x&quot;&gt;"), HasSubstr("a &amp; b?"),
                         Not(HasSubstr("<script"))));
}

TEST(ChartSvg, MissingValuesBreakTheLine) {
  const std::string svg =
      svg_of(graph_of({1, 2, 3, 4, 5, 6}, {1.0, 2.0, std::nullopt, 3.0, 4.0, 5.0}), "");
  EXPECT_EQ(found(svg, "<polyline points=\"([^\"]*)\"").size(), 2U);
}

TEST(ChartSvg, WhatCantBeDrawnIsLeftOut) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  constexpr double endless = std::numeric_limits<double>::infinity();
  expect_sound(svg_of({"", "", {}}, ""));
  expect_sound(svg_of(graph_of({}, {}), "nothing"));
  expect_sound(svg_of(graph_of({1}, {0.0}), "one zero"));
  expect_sound(svg_of(graph_of({0}, {1e18}), "one"));
  expect_sound(svg_of(graph_of({1, 2, 3}, {none, endless, -endless}), "none of them"));
  expect_sound(svg_of(graph_of({1, none, 3, 4}, {5.0, 6.0, 1e300, 8.0}), "two"));
  expect_sound(svg_of(graph_of({-5, 0, 5}, {-1e-9, 0.0, 1e-12}), "around zero"));
  expect_sound(svg_of(graph_of({1e-300, 1e15}, {1e-300, 1e15}), "wide"));
  expect_sound(svg_of(graph_of({1, 2, 3}, {1.0}), "more places than values"));
}

TEST(ChartSvg, TwentyLinesDifferWithoutColour) {
  Graph graph{"x", "y", {}};
  for (int i = 0; i < 20; ++i) {
    graph.lines.push_back({std::to_string(100 + i), {1, 2}, {i + 1.0, i + 2.0}});
  }
  const std::string svg = svg_of(graph, "many");
  expect_sound(svg);
  const std::string legend = svg.substr(svg.rfind("<polyline"));
  const std::regex entry(
      R"re(stroke-dasharray="([^"]*)"/>\n<[^>]*?(d="[^"]*"|r=)[^>]*fill="([^"]*)")re");
  std::set<std::string> looks;
  for (std::sregex_iterator at(legend.begin(), legend.end(), entry), end; at != end; ++at) {
    looks.insert((*at)[1].str() + (*at)[2].str() + (*at)[3].str());
  }
  EXPECT_GE(looks.size(), 20U);
  for (const std::string& colour : found(svg, "(?:stroke|fill)=\"(#[0-9a-f]+)\"")) {
    EXPECT_THAT((std::vector<std::string>{"#000", "#fff", "#ddd"}), testing::Contains(colour));
  }
}

}  // namespace
}  // namespace polyio::lab
