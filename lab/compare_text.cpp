// A comparison as tables and words, and as data.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <polyio/base/text.hpp>

#include "compare.hpp"
#include "text.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t most_listed = 10;

// At most 6.
std::string times(double ratio) {
  if (ratio >= 99'999 || ratio < 0.01) return fmt::format("{:.0e}", ratio);
  return fmt::format("{:.{}f}", ratio, ratio < 100 ? 2 : 0);
}

std::string table_of(const FigureComparison& found) {
  const Figure& figure = found.figure;
  const std::string noise = figure.counted_once ? number(figure.least_difference)
                                                : fmt::format("{:.1f} %", found.smallest * 100);
  std::string text = fmt::format("\n{}, {}; {} is better, up to {} is noise\n", figure.name,
                                 figure.unit, figure.more_is_better ? "more" : "less", noise);
  constexpr std::string_view row = "{:<11.11} {:<22.22} {:<14} {:>10} {:>10} {:>6}\n";
  text += fmt::format(row, "MODEL", "ARCHITECTURE", "CONNECTIONS", "A", "B", "B / A");
  for (const auto& [point, a, b, ratio, change] : found.points) {
    if (change == Change::noise) continue;
    std::string connections = std::to_string(point.connections);
    if (point.active < point.connections) connections += fmt::format("/{}", point.active);
    text += fmt::format(row, point.model, point.architecture, connections, number(a), number(b),
                        ratio ? times(*ratio) : "-");
    if (point.size != 64 || point.depth != 1 || point.rate > 0 || point.handler != "echo") {
      text += wrapped("    " + load_of(point), 4);
    }
  }
  return text;
}

std::string sentence_of(const Figure& figure, const Difference& one) {
  const std::string what =
      one.ratio ? fmt::format("{} times the {} of A", times(*one.ratio), figure.name)
                : fmt::format("{} {} where A has {},", number(one.b), figure.name, number(one.a));
  return fmt::format("B {} {} at {} with {}, {}.", figure.verb, what, load_of(one.point),
                     one.point.model, one.point.architecture);
}

std::string summary_of(const FigureComparison& found) {
  const std::size_t worse = found.count(Change::worse), better = found.count(Change::better);
  std::string text =
      fmt::format("{}: {} of {} points differ, {} worse, {} better.", found.figure.name,
                  worse + better, found.points.size(), worse, better);
  const Difference *worst = nullptr, *best = nullptr;
  for (const Difference& one : found.points) {
    if (one.change == Change::worse && worst == nullptr) worst = &one;
    if (one.change == Change::better) best = &one;
  }
  if (worst != nullptr) text += " Worst: " + sentence_of(found.figure, *worst);
  if (best != nullptr) text += " Best: " + sentence_of(found.figure, *best);
  return text;
}

// A paragraph each.
std::vector<std::string> summary_of(const Compared& compared) {
  if (compared.common == 0)
    return {"Nothing was measured in both: run both with the same options."};
  std::vector<std::string> text{fmt::format("{} of {} points differ in one figure or more.",
                                            compared.differing, compared.common)};
  std::vector<std::string_view> quiet, missing;
  for (const FigureComparison& found : compared.figures) {
    if (found.count(Change::noise) < found.points.size()) {
      text.push_back(summary_of(found));
    } else {
      (found.points.empty() ? missing : quiet).push_back(found.figure.name);
    }
  }
  if (!quiet.empty()) text.push_back(fmt::format("Within noise: {}.", fmt::join(quiet, ", ")));
  if (!missing.empty()) text.push_back(fmt::format("Not in both: {}.", fmt::join(missing, ", ")));
  if (compared.rounds < 5) {
    text.push_back(fmt::format("With {} round{} {}: measure with --rounds 5.", compared.rounds,
                               compared.rounds == 1 ? "" : "s",
                               compared.rounds < 3
                                   ? "nothing that is timed can be told from noise"
                                   : "chance makes some figures differ that are the same"));
  }
  return text;
}

std::string list_of(std::string_view file, const std::vector<std::string>& points) {
  if (points.empty()) return {};
  std::string text = fmt::format("\nMeasured in {} only: {}\n", file, points.size());
  const std::size_t listed = std::min(points.size(), most_listed);
  for (std::size_t i = 0; i < listed; ++i) text += wrapped("  " + points[i], 4);
  if (points.size() > listed) text += fmt::format("  and {} more\n", points.size() - listed);
  return text;
}

}  // namespace

std::string text_of(const Compared& compared) {
  std::string text;
  if (!compared.conditions.empty()) text += "\nNot measured alike:\n";
  for (const Json& one : compared.conditions) {
    const auto safe = [&](const char* key) {
      return escape_for_log(one[key].get_ref<const std::string&>(), 300);
    };
    text += wrapped(fmt::format("  {:<13} A: {}", safe("name"), safe("a")), 19);
    text += wrapped(fmt::format("{:16}B: {}", "", safe("b")), 19);
  }
  text += list_of("A", compared.only_a) + list_of("B", compared.only_b);
  for (const FigureComparison& found : compared.figures) {
    if (found.count(Change::noise) < found.points.size()) text += table_of(found);
  }
  for (const std::string& line : summary_of(compared)) text += "\n" + wrapped(line, 0);
  return text;
}

Json json_of(const Compared& compared) {
  Json figures = Json::object();
  for (const FigureComparison& found : compared.figures) {
    Json points = Json::array();
    for (const auto& [point, a, b, ratio, change] : found.points) {
      points.push_back(json_of(point));
      points.back().update({{"a", a}, {"b", b}, {"ratio", ratio ? Json(*ratio) : Json()}});
      points.back()["b_is"] = change == Change::noise    ? "noise"
                              : change == Change::better ? "better"
                                                         : "worse";
    }
    figures[std::string(found.figure.key)] = {{"smallest", found.smallest}, {"points", points}};
  }
  return {{"schema", 1},
          {"conditions", compared.conditions},
          {"only_a", compared.only_a},
          {"only_b", compared.only_b},
          {"figures", std::move(figures)},
          {"summary", summary_of(compared)}};
}

}  // namespace polyio::lab
