#include "figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

#include "chart_svg.hpp"

namespace polyio::lab {
namespace {

struct Shown {
  std::string_view file, measure, title, label;
};
constexpr std::array shown{
    Shown{"cpu", "cpu_us", "Server CPU time per request", "CPU time per request, µs"},
    Shown{"throughput", "requests_per_second", "Requests per second", "requests per second"},
    Shown{"p50", "p50_us", "Latency, the middle", "p50, µs"},
    Shown{"p99", "p99_us", "Latency, the slow ones", "p99, µs"},
    Shown{"calls", "", "System calls per request", "system calls per request"},
    Shown{"memory", "memory_bytes_per_connection", "Memory per connection", "bytes"},
};
constexpr std::size_t all_talk = std::numeric_limits<std::size_t>::max();

using Points = std::vector<const Measured*>;

std::optional<double> value_of(const Measured& measured, std::string_view measure) {
  if (measure.empty()) return measured.calls_in_all();
  const auto spread = measured.series(measure).spread();
  return spread ? std::optional(spread->median) : std::nullopt;
}

// How many may talk, where that was limited.
std::set<std::size_t> limits_of(const std::vector<Measured>& all) {
  std::set<std::size_t> limits;
  std::size_t most = 0;
  for (const Measured& one : all) {
    const Point& point = one.point;
    if (point.active < point.connections) {
      limits.insert(point.active);
    } else {
      most = std::max(most, point.connections);
    }
  }
  if (limits.empty() || most > *limits.rbegin()) limits.insert(all_talk);
  return limits;
}

// The load without its number of connections: "1,024 bytes, handler cpu:200us"; the usual: "".
std::string rest_of(Point point, std::size_t limit) {
  point.connections = point.active = 1;
  const std::string load = load_of(point);
  const std::size_t comma = load.find(", ");
  std::string rest = comma == load.npos ? "" : load.substr(comma);
  if (limit != all_talk) rest += fmt::format(", {} active at most", grouped(limit));
  return rest;
}

// By load, in the order of the plan. A point where all talk belongs to each limit that is not
// smaller.
std::vector<std::pair<std::string, Points>> by_load(const std::vector<Measured>& all) {
  std::vector<std::pair<std::string, Points>> loads;
  for (const std::size_t limit : limits_of(all)) {
    for (const Measured& one : all) {
      if (one.runs.empty() || one.point.active != std::min(limit, one.point.connections)) continue;
      const std::string load = rest_of(one.point, limit);
      auto found = std::ranges::find(loads, load, [](const auto& each) { return each.first; });
      if (found == loads.end()) found = loads.insert(found, {load, {}});
      found->second.push_back(&one);
    }
  }
  return loads;
}

double least_cpu(const Points& line) {
  double least = std::numeric_limits<double>::infinity();
  for (const Measured* one : line)
    least = std::min(least, value_of(*one, "cpu_us").value_or(least));
  return least;
}

struct Lines {
  std::vector<std::pair<std::string, Points>> named;

  void add(const std::string& name, const Measured* one) {
    auto found = std::ranges::find(named, name, [](const auto& each) { return each.first; });
    if (found == named.end()) found = named.insert(found, {name, {}});
    found->second.push_back(one);
  }
  // Keeps what a figure has room for: what was left out.
  std::size_t thin() {
    const std::size_t all = named.size();
    if (all <= most_lines) return 0;
    std::ranges::sort(
        named, {}, [](const auto& line) { return std::pair(least_cpu(line.second), line.first); });
    named.resize(most_lines);
    return all - most_lines;
  }
};

// Each model under the first architecture that it was measured under; beside others polyio's is
// named so.
Lines models_of(const Points& points) {
  const bool beside = std::ranges::any_of(
      points, [](const Measured* one) { return is_foreign(one->point.architecture); });
  std::map<std::string, std::string> first;
  Lines lines;
  for (const Measured* one : points) {
    const auto& [model, architecture] =
        *first.try_emplace(one->point.model, one->point.architecture).first;
    if (one->point.architecture == architecture) {
      const bool own = beside && !is_foreign(architecture);
      lines.add(fmt::format("{}{}, {}", own ? "polyio " : "", model, architecture), one);
    }
  }
  return lines;
}

// Of the model with the most of them; none: nowhere are there two.
Lines architectures_of(const Points& points) {
  Lines widest;
  for (const Measured* first : points) {
    Lines own;
    for (const Measured* one : points) {
      if (one->point.model == first->point.model) {
        own.add(fmt::format("{}, {}", one->point.model, one->point.architecture), one);
      }
    }
    if (own.named.size() > widest.named.size()) widest = std::move(own);
  }
  if (widest.named.size() < 2) widest.named.clear();
  return widest;
}

Graph graph_of(const Lines& lines, const Shown& what) {
  Graph graph{"connections", std::string(what.label), {}};
  for (const auto& [name, points] : lines.named) {
    std::map<std::size_t, std::optional<double>> values;
    for (const Measured* one : points) {
      values.emplace(one->point.connections, value_of(*one, what.measure));
    }
    const auto there = [](const auto& value) { return value.second.has_value(); };
    if (std::ranges::none_of(values, there)) continue;
    Graph::Line& line = graph.lines.emplace_back();
    line.name = name;
    for (const auto& [connections, value] : values) {
      line.x.push_back(static_cast<double>(connections));
      line.y.push_back(value);
    }
  }
  return graph;
}

}  // namespace

std::vector<GraphFile> figures_of(const std::vector<Measured>& points) {
  std::vector<GraphFile> figures;
  std::size_t number = 0;
  for (const auto& [load, own] : by_load(points)) {
    ++number;
    for (const bool models : {true, false}) {
      Lines lines = models ? models_of(own) : architectures_of(own);
      const std::size_t left_out = lines.thin();
      for (const Shown& what : shown) {
        Graph graph = graph_of(lines, what);
        if (graph.lines.empty()) continue;
        std::string title = std::string(what.title) += load;
        if (left_out > 0) title += fmt::format("; {} more left out", left_out);
        figures.push_back({fmt::format("{}{}{}", what.file, models ? "" : "-architectures",
                                       number > 1 ? fmt::format("-{}", number) : ""),
                           std::move(title), std::move(graph)});
      }
    }
  }
  return figures;
}

std::size_t write_figures(const std::string& folder, const std::vector<Measured>& points) {
  const std::vector<GraphFile> figures = figures_of(points);
  for (const GraphFile& figure : figures) {
    write_file(fmt::format("{}/{}.svg", folder, figure.file), svg_of(figure.graph, figure.title));
  }
  return figures.size();
}

}  // namespace polyio::lab
