// The architectures: what threads and processes cost, where pools stop helping, and a heavy handler
// in the loop.
#include <fmt/format.h>

#include <array>

#include "judging.hpp"

namespace polyio::lab {
namespace {

// --- what a connection's thread or process costs ---

constexpr std::size_t hundred = 100;

std::vector<Point> cost_points(const Settings&) {
  return {point_of("epoll", "loop", hundred),
          point_of("blocking", "thread-per-connection", hundred),
          point_of("blocking", "process-per-connection", hundred)};
}

std::array<Quantity, 3> costs(const Evidence& evidence, std::string_view measure,
                              std::string_view unit) {
  const auto points = cost_points(evidence.settings());
  return {quantity_of(evidence, points[0], measure, unit, "in a loop"),
          quantity_of(evidence, points[1], measure, unit, "with a thread"),
          quantity_of(evidence, points[2], measure, unit, "with a process")};
}

Finding judge_memory(const Evidence& evidence) {
  const auto [loop, thread, process] = costs(evidence, "memory_bytes_per_connection", "bytes");
  return all_of({compare(thread, Relation::at_least, 4, loop),
                 compare(process, Relation::at_least, 4, thread)});
}

Finding judge_switches(const Evidence& evidence) {
  const auto [loop, thread, process] = costs(evidence, "switches", "switches per request");
  return all_of({compare(thread, Relation::at_least, 0.5, bound(1, thread)),
                 compare(process, Relation::at_least, 0.5, bound(1, process)),
                 compare(loop, Relation::at_most, 0.25, bound(1, loop))});
}

// --- pools ---

constexpr std::string_view waits = "sleep:5ms", computes = "cpu:1ms";
constexpr unsigned pool_size = 8;
constexpr std::size_t clients = 32;

Point visited(std::string architecture, std::string_view handler, std::size_t at_once,
              unsigned workers) {
  Point point = point_of("blocking", std::move(architecture), at_once);
  point.handler = handler;
  point.workers = workers;
  point.connects = true;
  return point;
}

std::vector<Point> crowd(std::string_view architecture, unsigned workers) {
  std::vector<Point> points;
  for (const std::size_t at_once : {1, 4, 8, 16, 64}) {
    points.push_back(visited(std::string(architecture), waits, at_once, workers));
  }
  return points;
}

std::vector<Point> ceiling_points(const Settings&) {
  std::vector<Point> points = crowd("thread-pool", pool_size);
  for (Point& point : crowd("thread-per-connection", 0)) points.push_back(std::move(point));
  return points;
}

Finding judge_ceiling(const Evidence& evidence) {
  const auto answers = [&](std::string architecture, unsigned workers, std::size_t at_once,
                           std::string_view name) {
    return quantity_of(evidence, visited(std::move(architecture), waits, at_once, workers),
                       "requests_per_second", "requests/s",
                       fmt::format("{}, {} clients:", name, at_once));
  };
  Finding found = all_of({
      compare(answers("thread-pool", pool_size, 64, "a pool of 8"), Relation::at_most, 1.25,
              answers("thread-pool", pool_size, pool_size, "a pool of 8")),
      compare(answers("thread-per-connection", 0, 64, "no pool"), Relation::at_least, 2,
              answers("thread-per-connection", 0, pool_size, "no pool")),
  });
  found.graph = Graph{"clients at once; a request waits 5 ms",
                      "requests per second",
                      {line_of(evidence, "a pool of 8 threads", crowd("thread-pool", pool_size),
                               "requests_per_second", connections_of),
                       line_of(evidence, "a thread for each", crowd("thread-per-connection", 0),
                               "requests_per_second", connections_of)}};
  return found;
}

std::vector<Point> pools(std::string_view handler, unsigned most) {
  std::vector<Point> points;
  for (unsigned workers = 1; workers <= most; workers *= 2) {
    points.push_back(visited("thread-pool", handler, clients, workers));
  }
  return points;
}

unsigned cores(const Settings& settings) {
  return static_cast<unsigned>(std::max<std::size_t>(settings.server_cores.size(), 1));
}

std::vector<Point> size_points(const Settings& settings) {
  std::vector<Point> points = pools(waits, 64);
  for (Point& point : pools(computes, 16)) points.push_back(std::move(point));
  points.push_back(visited("thread-pool", computes, clients, cores(settings)));
  points.push_back(visited("thread-pool", computes, clients, 4 * cores(settings)));
  return points;
}

Finding judge_size(const Evidence& evidence) {
  const auto answers = [&](std::string_view handler, unsigned workers, std::string_view name) {
    return quantity_of(evidence, visited("thread-pool", handler, clients, workers),
                       "requests_per_second", "requests/s",
                       fmt::format("{}, {} thread{}:", name, workers, workers == 1 ? "" : "s"));
  };
  const unsigned few = cores(evidence.settings());
  Finding found = all_of({
      compare(answers(waits, 32, "waiting"), Relation::at_least, 4, answers(waits, 4, "waiting")),
      compare(answers(waits, 64, "waiting"), Relation::at_most, 1.25,
              answers(waits, 32, "waiting")),
      compare(answers(computes, 4 * few, "computing"), Relation::at_most, 1.25,
              answers(computes, few, "computing")),
  });
  found.graph = Graph{"threads of the pool; 32 clients",
                      "requests per second",
                      {line_of(evidence, "a request waits 5 ms", pools(waits, 64),
                               "requests_per_second", workers_of),
                       line_of(evidence, "a request computes 1 ms", pools(computes, 16),
                               "requests_per_second", workers_of)}};
  return found;
}

// --- a heavy handler ---

// The heavy ones are fewer than one of 100, so p99 is one of the others; and connections are enough
// that few of these wait for a heavy one on their own.
Point beside_heavy(std::string model, std::string architecture, std::string handler) {
  Point point = point_of(std::move(model), std::move(architecture), 64);
  point.handler = std::move(handler);
  point.rate = 2000;
  return point;
}

std::vector<Point> heavy_points(const Settings&) {
  return {beside_heavy("epoll", "loop", "cpu:20ms/400"),
          beside_heavy("epoll", "loop", "offload:20ms/400"),
          beside_heavy("blocking", "thread-per-connection", "cpu:20ms/400")};
}

Finding judge_heavy(const Evidence& evidence) {
  const auto points = heavy_points(evidence.settings());
  const auto p99 = [&](std::size_t which, std::string name) {
    return quantity_of(evidence, points[which], "p99_us", "µs", "p99 " + std::move(name));
  };
  const Quantity in_loop = p99(0, "in the loop");
  return all_of({compare(in_loop, Relation::at_least, 2, p99(1, "offloaded")),
                 compare(in_loop, Relation::at_least, 2, p99(2, "on threads of their own"))});
}

constexpr auto claims = std::to_array<Claim>({
    {"threads-cost-memory",
     "Threads and processes cost memory: a connection's thread at least 4 times the private memory "
     "of a connection in a loop, its process at least 4 times that of a thread.",
     "S0, S1, S3, S4", cost_points, nullptr, judge_memory},
    {"threads-cost-switches",
     "Threads and processes cost switches: with 100 connections that talk, one for each is "
     "switched at least once for two requests, a loop at most once for four.",
     "S3, S4", cost_points, nullptr, judge_switches},
    {"pools-have-a-ceiling",
     "A pool stops helping past its size: where requests wait 5 ms, 8 threads answer 64 clients at "
     "most 1.25 times as often as 8, a thread for each connection at least 2 times.",
     "S0, S1, S4", ceiling_points, nullptr, judge_ceiling},
    {"pool-size-fits-load",
     "A pool's size has to fit its load: for 32 clients 32 threads answer at least 4 times as "
     "often as 4 where requests wait, and 64 at most 1.25 times as often as 32; where they "
     "compute, 4 "
     "threads for each core at most 1.25 times as often as one for each.",
     "S0, S1, S4", size_points, nullptr, judge_size},
    {"heavy-handler-holds-the-loop",
     "A heavy handler in the loop is a disaster for the others: where one request of 400 computes "
     "for 20 ms, their p99 is at least 2 times what it is with that work offloaded to a pool, and "
     "2 times that of a thread for each connection.",
     "S4", heavy_points, nullptr, judge_heavy},
});

}  // namespace

std::span<const Claim> architecture_claims() { return claims; }

}  // namespace polyio::lab
