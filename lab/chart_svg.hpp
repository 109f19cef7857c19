// A graph as an SVG file for papers: black on white, its lines differ by dashes and markers. An
// axis is logarithmic where the largest value is fifty times the smallest or more.
#pragma once

#include <string>
#include <string_view>

#include "graph.hpp"

namespace polyio::lab {

// What is no number is not drawn.
std::string svg_of(const Graph& graph, std::string_view title);

}  // namespace polyio::lab
