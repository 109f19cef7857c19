#include "compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace polyio::lab {
namespace {

constexpr std::size_t least_rounds = 3;     // fewer say nothing of the noise
constexpr std::size_t quartiles_from = 10;  // with fewer rounds they lie apart by chance too often

constexpr Figure figures[] = {
    {"cpu_us", "server CPU", "µs per request", "needs"},
    {"requests_per_second", "throughput", "requests/s", "has", true},
    {"p50_us", "median latency", "µs, p50", "has"},
    {"p99_us", "99th percentile of latency", "µs, p99", "has"},
    {"memory_bytes_per_connection", "memory per connection", "bytes", "needs"},
    {"switches_voluntary", "voluntary switches", "per request", "has", false, 0.01},
    {"switches_involuntary", "involuntary switches", "per request", "has", false, 0.01},
    {"system_calls_per_request", "system calls", "per request", "makes", false, 0.5, true},
};

// Its rounds; empty: not measured.
std::vector<double> values_of(const Measured& measured, const Figure& figure) {
  std::vector<double> values;
  const auto calls = measured.calls_in_all();
  if (figure.counted_once && calls) values.push_back(*calls);
  for (const auto& [round, value] : measured.series(figure.key).by_round) values.push_back(value);
  return values;
}

using Points = std::map<Point, const Measured*>;

// Those of which a round succeeded, by what they are.
Points measured_of(const Recorded& recorded) {
  Points found;
  for (const Measured& one : recorded.points) {
    if (one.series("cpu_us").spread()) found.emplace(one.point, &one);
  }
  return found;
}

// How far the rounds of a point lie apart: the distance of their quartiles by their median.
double typical_spread(const Points& points, const Figure& figure) {
  std::vector<double> shares;
  for (const auto& [point, measured] : points) {
    const auto spread = spread_of(values_of(*measured, figure));
    if (spread && spread->median > 0)
      shares.push_back((spread->high - spread->low) / spread->median);
  }
  const auto all = spread_of(shares);
  return all ? all->median : 0;
}

FigureComparison compare_figure(const Points& ours, const Points& theirs, const Figure& figure) {
  FigureComparison found{
      figure, std::max(typical_spread(ours, figure), typical_spread(theirs, figure)), {}};
  for (const auto& [point, measured] : ours) {
    const auto a = values_of(*measured, figure), b = values_of(*theirs.at(point), figure);
    if (a.empty() || b.empty()) continue;
    Difference one{point, spread_of(a)->median, spread_of(b)->median, {}, {}};
    if (one.a > 0 && one.b > 0 && std::isnormal(one.b / one.a)) one.ratio = one.b / one.a;
    one.change = judge(figure, a, b, found.smallest);
    found.points.push_back(std::move(one));
  }
  std::ranges::sort(found.points, std::ranges::greater(), [&](const Difference& one) {
    if (one.ratio) return figure.more_is_better ? 1 / *one.ratio : *one.ratio;
    return one.change == Change::worse ? std::numeric_limits<double>::infinity() : 0;
  });
  return found;
}

std::string shown(const Json& all, const std::string& name) {
  const Json value = all.value(name, Json());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Change judge(const Figure& figure, const std::vector<double>& a, const std::vector<double>& b,
             double smallest) {
  const auto range_of = [](const std::vector<double>& values) {
    const auto spread = *spread_of(values);
    if (values.size() >= quartiles_from) return std::pair(spread.low, spread.high);
    return std::pair(std::ranges::min(values), std::ranges::max(values));
  };
  if (!figure.counted_once) {
    if (std::min(a.size(), b.size()) < least_rounds) return Change::noise;
    const auto ours = range_of(a), theirs = range_of(b);
    if (ours.first <= theirs.second && theirs.first <= ours.second) return Change::noise;
  }
  const double before = spread_of(a)->median, after = spread_of(b)->median;
  const double difference = std::abs(after - before);
  if (difference <= smallest * std::min(std::abs(before), std::abs(after)) ||
      difference < figure.least_difference) {
    return Change::noise;
  }
  return (after > before) == figure.more_is_better ? Change::better : Change::worse;
}

std::size_t FigureComparison::count(Change change) const {
  return static_cast<std::size_t>(std::ranges::count(points, change, &Difference::change));
}

Compared compare(const Recorded& a, const Recorded& b) {
  Compared compared;
  Json names = a.conditions;
  names.update(b.conditions);
  for (const auto& [name, value] : names.items()) {
    const std::string ours = shown(a.conditions, name), theirs = shown(b.conditions, name);
    if (ours != theirs) {
      compared.conditions.push_back({{"name", name}, {"a", ours}, {"b", theirs}});
    }
  }
  compared.rounds = std::min(a.conditions.at("rounds").get<std::size_t>(),
                             b.conditions.at("rounds").get<std::size_t>());
  Points ours = measured_of(a), theirs = measured_of(b);
  const auto keep = [](Points& points, const Points& common, std::vector<std::string>& others) {
    std::erase_if(points, [&](const auto& each) {
      if (common.contains(each.first)) return false;
      others.push_back(name_of(each.first));
      return true;
    });
  };
  keep(ours, theirs, compared.only_a);
  keep(theirs, ours, compared.only_b);
  compared.common = ours.size();
  std::set<Point> differing;
  for (const Figure& figure : figures) {
    compared.figures.push_back(compare_figure(ours, theirs, figure));
    for (const Difference& one : compared.figures.back().points) {
      if (one.change != Change::noise) differing.insert(one.point);
    }
  }
  compared.differing = differing.size();
  return compared;
}

}  // namespace polyio::lab
