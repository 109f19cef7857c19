#include "judging.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "../text.hpp"

namespace polyio::lab {
namespace {

Series combined(const Series& a, const Series& b, double (*combine)(double, double)) {
  Series both;
  for (const auto& [round, value] : a.by_round) {
    const auto found = b.by_round.find(round);
    if (found != b.by_round.end()) both.by_round[round] = combine(value, found->second);
  }
  return both;
}

Series series_of(const Evidence& evidence, const Point& point, std::string_view measure) {
  if (measure == "switches") {
    return combined(evidence.of(point, "switches_voluntary"),
                    evidence.of(point, "switches_involuntary"),
                    [](double a, double b) { return a + b; });
  }
  if (measure == "core share") {
    return combined(evidence.of(point, "cpu_us"), evidence.of(point, "requests_per_second"),
                    [](double us, double rate) { return us * rate / 1e4; });
  }
  return evidence.of(point, measure);
}

// The noise leaves no more than three digits.
std::string short_number(double value) {
  return value < 100 ? fmt::format("{:.3g}", value) : number(std::round(value));
}

std::string text_of(const Quantity& quantity) {
  const auto spread = quantity.series.spread();
  return fmt::format("{} {}{}{}", quantity.name, short_number(spread->median),
                     quantity.unit.empty() ? "" : " ", quantity.unit);
}

bool beyond_noise(const std::optional<Spread>& ratio, double bound) {
  return ratio && std::abs(ratio->median - bound) > ratio->high - ratio->low;
}

void join(std::string& text, std::string_view more, std::string_view separator) {
  if (more.empty() || text.find(more) != text.npos) return;
  text += text.empty() ? "" : separator;
  text += more;
}

}  // namespace

Point point_of(std::string model, std::string architecture, std::size_t connections,
               std::size_t active) {
  Point point{
      .model = std::move(model), .architecture = std::move(architecture), .handler = "echo"};
  point.connections = connections;
  point.active = active == 0 ? connections : active;
  return point;
}

Quantity quantity_of(const Evidence& evidence, const Point& point, std::string_view measure,
                     std::string_view unit, std::string name) {
  if (name.empty()) name = point.model + ", " + point.architecture;
  Quantity quantity{std::move(name), unit, series_of(evidence, point, measure)};
  if (quantity.series.by_round.empty()) {
    quantity.missing = name_of(point) + ": " + evidence.why_missing(point);
  }
  return quantity;
}

Quantity quantity_of(const Evidence& evidence, const Trial& trial, std::string_view figure,
                     std::string_view unit, std::string name) {
  Quantity quantity{std::move(name), unit, evidence.of(trial, figure)};
  if (quantity.series.by_round.empty()) {
    quantity.missing = trial.name + ": " + evidence.why_missing(trial);
  }
  return quantity;
}

Quantity bound(double value, const Quantity& like) {
  Quantity made{{}, like.unit, {}, like.missing};
  for (const auto& [round, ignored] : like.series.by_round) made.series.by_round[round] = value;
  return made;
}

Finding compare(const Quantity& a, Relation relation, double times, const Quantity& b) {
  for (const Quantity* one : {&a, &b}) {
    if (!one->missing.empty()) return not_measured(one->missing);
  }
  const auto ratio = ratio_of(a.series, b.series);
  if (!ratio) return not_measured(fmt::format("{}: no figure above 0", b.name));
  const bool more = ratio->median > times;
  const bool bounded = b.name.empty();
  const double unit = bounded ? b.series.spread()->median : 1;
  const auto in_units = [&](double value) {
    return fmt::format("{} {}", short_number(value * unit), bounded ? b.unit : "times");
  };
  Finding found;
  found.measured =
      bounded ? text_of(a)
              : fmt::format("{} against {}: {}", text_of(a), text_of(b), in_units(ratio->median));
  found.measured += fmt::format(" (quartiles {} to {})", short_number(ratio->low * unit),
                                short_number(ratio->high * unit));
  if (ratio->count < 2) {
    found.outcome = Outcome::within_noise;
    found.text = "Measured once, that may be noise: take more rounds.";
  } else if (!beyond_noise(ratio, times) &&
             !beyond_noise(ratio_of(b.series, a.series), 1 / times)) {
    found.outcome = Outcome::within_noise;
    found.text = fmt::format("It is no farther from {} than the noise.", in_units(times));
  } else {
    const bool holds = more == (relation == Relation::at_least);
    found.outcome = holds ? Outcome::holds : Outcome::does_not_hold;
  }
  return found;
}

Finding finding(bool holds, std::string measured, std::string text) {
  return {holds ? Outcome::holds : Outcome::does_not_hold, std::move(measured), std::move(text)};
}

Finding not_measured(std::string why) { return {Outcome::not_measured, {}, std::move(why)}; }

Finding all_of(const std::vector<Finding>& findings) {
  Finding all{Outcome::holds, {}, {}};
  for (const Finding& one : findings) {
    all.outcome = std::max(all.outcome, one.outcome);
    join(all.measured, one.measured, "; ");
    join(all.text, one.text, " ");
  }
  return all;
}

Finding unless_busy(Finding finding, const std::optional<Spread>& share) {
  constexpr double enough = 0.8;
  if (finding.outcome != Outcome::does_not_hold || !share || share->median > enough) return finding;
  finding.outcome = Outcome::not_measured;
  finding.text = fmt::format(
      "Other programs had the core for {:.0f} % of the time: measure again when the machine is "
      "quiet.",
      (1 - share->median) * 100);
  return finding;
}

Graph::Line line_of(const Evidence& evidence, std::string name, const std::vector<Point>& points,
                    std::string_view measure, double (*place)(const Point& point)) {
  Graph::Line line{std::move(name), {}, {}};
  for (const Point& point : points) {
    const auto spread = series_of(evidence, point, measure).spread();
    line.x.push_back(place(point));
    line.y.push_back(spread ? std::optional(spread->median) : std::nullopt);
  }
  return line;
}

double connections_of(const Point& point) { return static_cast<double>(point.connections); }
double workers_of(const Point& point) { return point.workers; }

}  // namespace polyio::lab
