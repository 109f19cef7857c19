#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace polyio::lab {
namespace {

// Between the two values that are nearest to it; `sorted` has one at least.
double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace

std::optional<Spread> spread_of(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  return Spread{quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75),
                values.size()};
}

std::optional<Spread> Series::spread() const {
  std::vector<double> values;
  values.reserve(by_round.size());
  for (const auto& [round, value] : by_round) values.push_back(value);
  return spread_of(std::move(values));
}

std::optional<Spread> ratio_of(const Series& one, const Series& other) {
  std::vector<double> ratios;
  for (const auto& [round, value] : other.by_round) {
    const auto found = one.by_round.find(round);
    if (found != one.by_round.end() && value > 0) ratios.push_back(found->second / value);
  }
  return spread_of(std::move(ratios));
}

std::optional<Comparison> least_of(std::vector<Series> all) {
  std::erase_if(all, [](const Series& one) { return one.by_round.empty(); });
  std::ranges::sort(all, {},
                    [](const Series& one) { return std::pair(one.spread()->median, one.name); });
  if (all.size() < 2) return std::nullopt;
  Comparison found{all[0], all[1]};
  const auto ratio = ratio_of(found.next, found.best);
  if (!ratio) return std::nullopt;
  found.distance = ratio->median - 1;
  found.noise = ratio->high - ratio->low;
  found.within_noise = ratio->count < 2 || found.distance <= found.noise;
  return found;
}

}  // namespace polyio::lab
