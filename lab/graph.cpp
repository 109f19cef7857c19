#include "graph.hpp"

namespace polyio::lab {

Json json_of(const Graph& graph) {
  Json series = Json::array();
  for (const Graph::Line& line : graph.lines) {
    Json y = Json::array();
    for (const auto& value : line.y) y.push_back(value ? Json(*value) : Json(nullptr));
    series.push_back({{"name", line.name}, {"x", line.x}, {"y", std::move(y)}});
  }
  return {{"x_label", graph.x_label}, {"y_label", graph.y_label}, {"series", std::move(series)}};
}

}  // namespace polyio::lab
