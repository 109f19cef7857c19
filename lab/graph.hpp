// Graph: lines over a common x axis, as the report and the SVG files draw them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results.hpp"

namespace polyio::lab {

struct Graph {
  struct Line {
    std::string name;
    std::vector<double> x;                 // rising
    std::vector<std::optional<double>> y;  // as many; nothing: not measured
  };
  std::string x_label, y_label;
  std::vector<Line> lines;
};

// The key "chart" of a claim (docs/lab.md).
Json json_of(const Graph& graph);

}  // namespace polyio::lab
