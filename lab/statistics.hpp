// Medians and quartiles of a few rounds, and which of several is the least. The rule of a verdict:
// the smallest median against the next one; its distance is the median of their ratios within
// rounds, and the noise is the distance of those ratios' quartiles. What is not above the noise is
// within it, and so is everything that was measured once.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace polyio::lab {

struct Spread {
  double median = 0, low = 0, high = 0;  // low, high: the quartiles
  std::size_t count = 0;                 // of the values
};
// Nothing of nothing.
std::optional<Spread> spread_of(std::vector<double> values);

// What one of several had in each round.
struct Series {
  std::string name;
  std::map<unsigned, double> by_round;
  std::optional<Spread> spread() const;
};

// What `one` has for each that `other` has, in the rounds of both. Nothing when there are none.
std::optional<Spread> ratio_of(const Series& one, const Series& other);

struct Comparison {
  Series best, next;
  double distance = 0;  // 0.16: the next one has 16 % more
  double noise = 0;
  bool within_noise = true;
};
// The two with the least. Nothing when fewer than two of them have values of a common round.
std::optional<Comparison> least_of(std::vector<Series> all);

}  // namespace polyio::lab
