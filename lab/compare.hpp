// Two results of `polyio lab run`, of two machines or two commits: what differs, and what is noise.
// The rule is that of docs/lab.md, "Two results compared"; judge() is all of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results.hpp"

namespace polyio::lab {

// What is compared of a point.
struct Figure {
  std::string_view key, name, unit;  // key: in results.json
  std::string_view verb;             // B needs 1.2 times the CPU of A
  bool more_is_better = false;
  double least_difference = 0;  // in its unit; less is noise
  bool counted_once = false;    // not timed in rounds
};

enum class Change { noise, better, worse };
// What B is beside A; each has a round at least. `smallest`: the smallest difference that counts,
// as a share.
Change judge(const Figure& figure, const std::vector<double>& a, const std::vector<double>& b,
             double smallest);

struct Difference {
  Point point;
  double a, b;                  // medians
  std::optional<double> ratio;  // b / a, where there is one
  Change change;
};
struct FigureComparison {
  Figure figure;
  double smallest;
  std::vector<Difference> points;  // that have the figure in both; the worst first

  std::size_t count(Change change) const;
};
struct Compared {
  Json conditions = Json::array();          // that differ: {"name", "a", "b"}
  std::vector<std::string> only_a, only_b;  // points that were measured in one of them
  std::size_t common = 0, differing = 0;    // points in both; with a difference in any figure
  std::size_t rounds = 0;                   // the fewer of the two
  std::vector<FigureComparison> figures;
};
Compared compare(const Recorded& a, const Recorded& b);

// For a terminal of 80 columns; nothing in it moves the cursor.
std::string text_of(const Compared& compared);
Json json_of(const Compared& compared);

}  // namespace polyio::lab
