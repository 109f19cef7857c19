// The figures of a results.json for papers: a graph for each measure over the number of
// connections. The models under the first architecture of each are in one; the architectures of the
// model that has the most of them are in another.
#pragma once

#include <string>
#include <vector>

#include "graph.hpp"

namespace polyio::lab {

inline constexpr std::size_t most_lines = 10;  // in a figure: those with the least CPU time

struct GraphFile {
  std::string file;  // "cpu", "cpu-architectures"; of a second load "cpu-2"
  std::string title;
  Graph graph;
};
// Without those that have no values.
std::vector<GraphFile> figures_of(const std::vector<Measured>& points);

// Each as FOLDER/FILE.svg: how many. Throws std::system_error.
std::size_t write_figures(const std::string& folder, const std::vector<Measured>& points);

}  // namespace polyio::lab
