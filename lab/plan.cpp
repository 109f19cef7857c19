#include "plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "handlers.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t most_points = 10'000;
constexpr std::size_t spare_descriptors = 100;  // for other things than connections
constexpr std::size_t most_workers = 1024;      // ServerOptions::workers takes no more
constexpr std::uint64_t process_bytes = 2 << 20, thread_bytes = 64 << 10;

struct Pair {
  const ModelInfo* model;
  std::string architecture;
};

const ModelInfo& find(std::span<const ModelInfo> models, const std::string& name) {
  const auto found = std::ranges::find(models, name, &ModelInfo::model);
  if (found != models.end()) return *found;
  std::vector<std::string> names;
  for (const ModelInfo& info : models) names.push_back(info.model);
  throw std::invalid_argument(
      fmt::format("--models: no model {:?}: {}", name, fmt::join(names, ", ")));
}

std::vector<const ModelInfo*> models_of(const Dials& dials, std::span<const ModelInfo> models) {
  std::vector<const ModelInfo*> asked;
  for (const std::string& name : dials.models) {
    const ModelInfo* const info = &find(models, name == "auto" ? choose_model().model : name);
    if (std::ranges::find(asked, info) == asked.end()) asked.push_back(info);
  }
  if (!dials.models.empty()) return asked;
  for (const ModelInfo& info : models) {
    if (info.traits->make) asked.push_back(&info);
  }
  return asked;
}

std::vector<Pair> pairs_of(const Dials& dials, std::span<const ModelInfo> models) {
  const auto all = list_architectures();
  for (const std::string& name : dials.architectures) {
    if (std::ranges::find(all, name) != all.end()) continue;
    throw std::invalid_argument(
        fmt::format("--architectures: no architecture {:?}: {}", name, fmt::join(all, ", ")));
  }
  std::vector<Pair> pairs;
  bool best = true;  // the first that can be used: the table has the best one first
  for (const ModelInfo* const info : models_of(dials, models)) {
    const bool first_only = dials.quick && !best && dials.architectures.empty();
    for (const std::string_view name : all) {
      const bool asked =
          dials.architectures.empty()
              ? !first_only || name == info->architectures.front()
              : std::ranges::find(dials.architectures, name) != dials.architectures.end();
      if (asked) pairs.push_back({info, std::string(name)});
    }
    if (info->available) best = false;
  }
  return pairs;
}

// Where a worker serves one connection at a time.
bool one_each(const Pair& pair) {
  return pair.architecture == "thread-pool" ||
         (pair.architecture == "prefork" && !pair.model->traits->has_loop);
}

std::string why_left_out(const Pair& pair, std::size_t connections, const Limits& limits) {
  if (!pair.model->available) return pair.model->reason;
  for (const auto& refusal : pair.model->refusals) {
    if (refusal.architecture == pair.architecture) return std::string(refusal.reason);
  }
  // A thread of its own waits by descriptors of its own, beside the socket.
  const bool own_loops =
      pair.architecture == "thread-per-connection" && pair.model->traits->has_loop;
  if (connections * (own_loops ? 3 : 1) + spare_descriptors > limits.descriptors) {
    return fmt::format("a process may have {} descriptors here (ulimit -n){}",
                       grouped(limits.descriptors),
                       own_loops ? ", and a connection takes three" : "");
  }
  if (pair.architecture == "iterative" && connections > 1) {
    return "it serves one connection after the other";
  }
  if (one_each(pair) && connections > most_workers) {
    return fmt::format("each worker serves one connection, and there are {} at most",
                       grouped(most_workers));
  }
  const bool processes = pair.architecture == "process-per-connection" ||
                         (pair.architecture == "prefork" && one_each(pair));
  const bool threads = pair.architecture == "thread-per-connection" || one_each(pair);
  const std::uint64_t each = processes ? process_bytes : threads ? thread_bytes : 0;
  if (connections * each > limits.memory / 2) {
    return fmt::format("{} {} would take about {} MiB, and {} are free", grouped(connections),
                       processes ? "processes" : "threads", grouped((connections * each) >> 20),
                       grouped(limits.memory >> 20));
  }
  return {};
}

std::vector<std::size_t> connections_of(const Dials& dials) {
  std::vector<std::size_t> asked;
  for (const std::size_t count : dials.connections) {
    if (std::ranges::find(asked, count) == asked.end()) asked.push_back(count);
  }
  if (!asked.empty()) return asked;
  if (dials.quick) return {1, 100, 1000};
  return {1, 10, 100, 1000, 10'000};
}

// All that is asked of one pair at one number of connections.
void add_points(const Dials& dials, const Pair& pair, std::size_t connections, const Limits& limits,
                std::vector<Point>& plan) {
  Point point{.model = pair.model->model,
              .architecture = pair.architecture,
              .handler = {},
              .connections = connections,
              .left_out = why_left_out(pair, connections, limits)};
  if (one_each(pair)) point.workers = static_cast<unsigned>(std::min(connections, most_workers));
  const auto first = static_cast<std::ptrdiff_t>(plan.size());
  for (const std::string& handler : dials.handlers) {
    (void)parse_work(handler);
    point.handler = handler;
    for (const std::size_t active : dials.active) {
      point.active = active == 0 ? connections : std::min(active, connections);
      for (const std::size_t size : dials.size) {
        point.size = size;
        for (const std::size_t depth : dials.depth) {
          point.depth = depth;
          for (const double rate : dials.rate) {
            point.rate = rate;
            if (std::find(plan.begin() + first, plan.end(), point) == plan.end()) {
              plan.push_back(point);
            }
          }
        }
      }
    }
  }
}

}  // namespace

Limits limits_of_this_machine() {
  Limits limits;
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) limits.descriptors = descriptors.rlim_max;
  std::ifstream file("/proc/meminfo");
  for (std::string name, unit; file >> name;) {
    std::uint64_t kib = 0;
    if (!(file >> kib)) break;
    std::getline(file, unit);
    if (name == "MemAvailable:") limits.memory = kib * 1024;
  }
  return limits;
}

std::string why_left_out(const Point& point, std::span<const ModelInfo> models,
                         const Limits& limits) {
  return why_left_out({&find(models, point.model), point.architecture}, point.connections, limits);
}

unsigned workers_for(const Point& point, std::span<const ModelInfo> models) {
  const bool one = one_each({&find(models, point.model), point.architecture});
  return one ? static_cast<unsigned>(std::min(point.connections, most_workers)) : 0;
}

std::vector<Point> make_plan(const Dials& dials, std::span<const ModelInfo> models,
                             const Limits& limits) {
  const std::vector<Pair> pairs = pairs_of(dials, models);
  const std::vector<std::size_t> connections = connections_of(dials);
  std::size_t points = pairs.size() * connections.size();
  for (const std::size_t choices : {dials.handlers.size(), dials.active.size(), dials.size.size(),
                                    dials.depth.size(), dials.rate.size()}) {
    points *= choices;
    if (points <= most_points) continue;
    throw std::invalid_argument(
        fmt::format("these are more than {} combinations: ask for less", grouped(most_points)));
  }
  std::vector<Point> plan;
  for (const Pair& pair : pairs) {
    for (const std::size_t count : connections) {
      add_points(dials, pair, count, limits, plan);
    }
  }
  const auto measured = [](const Point& point) { return point.left_out.empty(); };
  if (std::ranges::none_of(plan, measured)) {
    throw std::invalid_argument(plan.empty()
                                    ? "nothing was asked for"
                                    : fmt::format("nothing of that can be measured: {}: {}",
                                                  name_of(plan[0]), plan[0].left_out));
  }
  return plan;
}

std::string load_of(const Point& point) {
  std::string text =
      fmt::format("{} connection{}", grouped(point.connections), point.connections == 1 ? "" : "s");
  if (point.active < point.connections) {
    text += fmt::format(", {} of them active", grouped(point.active));
  }
  if (point.size != 64) text += fmt::format(", {} bytes", grouped(point.size));
  if (point.connects) text += ", each for one message";
  if (point.depth != 1) text += fmt::format(", {} messages under way on each", point.depth);
  if (point.rate > 0) text += fmt::format(", {:g} requests per second", point.rate);
  if (point.handler != "echo") text += ", handler " + point.handler;
  return text;
}

std::string name_of(const Point& point) {
  std::string text = fmt::format("{}, {}, ", point.model, point.architecture);
  if (point.workers > 0) text += fmt::format("{} workers, ", point.workers);
  if (point.poll_interval_us > 0) text += fmt::format("every {} µs, ", point.poll_interval_us);
  return text + load_of(point);
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

bool spreads(std::string_view architecture) {
  return architecture != "loop" && architecture != "iterative" && !is_foreign(architecture);
}

bool is_foreign(std::string_view architecture) {
  return architecture == other_library || architecture == by_hand;
}

}  // namespace polyio::lab
