// The I/O models: threads that block against multiplexing, polling, select, poll and epoll.
#include <fmt/format.h>

#include <array>
#include <fstream>
#include <polyio/drivers/registry.hpp>

#include "../text.hpp"
#include "judging.hpp"

namespace polyio::lab {
namespace {

// --- few connections and many ---

Point threads(std::size_t connections) {
  return point_of("blocking", "thread-per-connection", connections);
}
Point epoll(std::size_t connections) { return point_of("epoll", "loop", connections); }

std::vector<std::size_t> many(const Settings& settings) {
  if (settings.quick) return {1000};
  return {1000, 10'000};
}

std::vector<Point> few_points(const Settings&) {
  return {threads(1), threads(10), epoll(1), epoll(10)};
}

// From left to right, for the graph.
std::vector<Point> growing(const Settings& settings, Point (*at)(std::size_t connections)) {
  std::vector<Point> points{at(1), at(10), at(100)};
  for (const std::size_t count : many(settings)) points.push_back(at(count));
  return points;
}

std::vector<Point> many_points(const Settings& settings) {
  std::vector<Point> points = growing(settings, threads);
  for (Point& point : growing(settings, epoll)) points.push_back(std::move(point));
  return points;
}

Finding at_each(const Evidence& evidence, const std::vector<std::size_t>& counts, Relation relation,
                double times) {
  std::vector<Finding> findings;
  for (const std::size_t count : counts) {
    const std::string with = count == 1 ? "1 connection: " : grouped(count) + " connections: ";
    findings.push_back(
        compare(quantity_of(evidence, threads(count), "cpu_us", "µs", with + "threads"), relation,
                times, quantity_of(evidence, epoll(count), "cpu_us", "µs", "epoll")));
  }
  return all_of(findings);
}

Finding judge_few(const Evidence& evidence) {
  return at_each(evidence, {1, 10}, Relation::at_most, 1.1);
}

Finding judge_many(const Evidence& evidence) {
  const Settings& settings = evidence.settings();
  Finding found = at_each(evidence, many(settings), Relation::at_least, 1.1);
  found.graph = Graph{
      "connections, all of them active",
      "CPU µs per request",
      {line_of(evidence, "a thread for each", growing(settings, threads), "cpu_us", connections_of),
       line_of(evidence, "epoll, one loop", growing(settings, epoll), "cpu_us", connections_of)}};
  return found;
}

// --- system calls ---

Point select_at(std::size_t connections) { return point_of("select", "loop", connections); }

std::vector<Point> call_points(const Settings&) {
  return {threads(1), select_at(1), select_at(100)};
}

Finding judge_calls(const Evidence& evidence) {
  std::array<double, 3> sums{};
  std::array<std::string, 3> texts;
  const auto points = call_points(evidence.settings());
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto calls = evidence.calls(points[i]);
    if (calls.empty()) {
      return not_measured("system calls were not counted: that takes ptrace(2)");
    }
    for (const auto& [name, count] : calls) {
      sums[i] += count;
      if (count < 0.1) continue;
      texts[i] += fmt::format("{}{} {}", texts[i].empty() ? "" : ", ", name, number(count));
    }
  }
  return finding(
      sums[1] - sums[0] >= 0.5 && sums[1] - sums[2] >= 0.5,
      fmt::format("calls per message, 1 connection: blocking {} ({}), select {} ({}); 100 "
                  "connections: select {} ({})",
                  number(sums[0]), texts[0], number(sums[1]), texts[1], number(sums[2]), texts[2]));
}

// --- polling ---

constexpr double idle_rate = 50;
constexpr std::int64_t interval_us = 10'000;

Point idle(std::string model) {
  Point point = point_of(std::move(model), "loop", 1);
  point.rate = idle_rate;
  return point;
}

std::vector<Point> polling_points(const Settings&) { return {idle("nonblocking"), idle("epoll")}; }

Finding judge_polling(const Evidence& evidence) {
  const auto polling = quantity_of(evidence, idle("nonblocking"), "core share", "% of a core");
  const auto waiting = quantity_of(evidence, idle("epoll"), "core share", "% of a core");
  return all_of({compare(polling, Relation::at_least, 0.5, bound(100, polling)),
                 compare(waiting, Relation::at_most, 0.1, bound(100, waiting))});
}

// The messages fall due in a golden ratio to the interval, so that they fall into all parts of it,
// and have connections enough that none waits for another.
Point paused(std::int64_t pause_us) {
  Point point = point_of("nonblocking", "loop", 16);
  point.rate = 161.8;
  point.poll_interval_us = pause_us;
  return point;
}

std::vector<Point> pause_points(const Settings&) { return {paused(interval_us), paused(0)}; }

Finding judge_pause(const Evidence& evidence) {
  constexpr auto whole = static_cast<double>(interval_us);
  const Point with = paused(interval_us);
  const auto half = quantity_of(evidence, with, "p50_us", "µs", "p50 with a pause of 10 ms");
  const auto most = quantity_of(evidence, with, "p99_us", "µs", "p99 with it");
  const auto without = quantity_of(evidence, paused(0), "p50_us", "µs", "p50 without one");
  return all_of({compare(half, Relation::at_least, 0.25, bound(whole, half)),
                 compare(half, Relation::at_most, 0.75, bound(whole, half)),
                 compare(most, Relation::at_least, 0.75, bound(whole, most)),
                 compare(most, Relation::at_most, 1.25, bound(whole, most)),
                 compare(half, Relation::at_least, 2, without)});
}

// --- what idle connections cost ---

constexpr std::size_t talking = 10;

std::vector<Point> growth_of(const std::string& model, const Settings& settings) {
  std::vector<Point> points;
  for (const std::size_t count : {10, 100, 1000, 10'000}) {
    if (count > 1000 && (settings.quick || model == "select")) continue;
    points.push_back(point_of(model, "loop", count, talking));
  }
  return points;
}

std::vector<Point> growth_beside_epoll(const std::string& model, const Settings& settings) {
  std::vector<Point> points = growth_of(model, settings);
  for (Point& point : growth_of("epoll", settings)) points.push_back(std::move(point));
  return points;
}

Finding judge_growth(const Evidence& evidence, const std::string& model, Relation relation,
                     double times) {
  const auto points = growth_of(model, evidence.settings());
  const auto at = [&](std::size_t count) {
    return quantity_of(evidence, point_of(model, "loop", count, talking), "cpu_us", "µs",
                       fmt::format("{}, {} connections:", model, grouped(count)));
  };
  Finding found = compare(at(1000), relation, times, at(10));
  Graph graph{"connections, 10 of them active", "CPU µs per request", {}};
  graph.lines.push_back(line_of(evidence, model, points, "cpu_us", connections_of));
  if (model != "epoll") {
    graph.lines.push_back(line_of(evidence, "epoll", growth_of("epoll", evidence.settings()),
                                  "cpu_us", connections_of));
  }
  found.graph = std::move(graph);
  return found;
}

// --- how many ---

constexpr std::size_t past_1024 = 1100;

Point past(const std::string& model) { return point_of(model, "loop", past_1024, talking); }

std::vector<Point> ceiling_points(const Settings&) { return {past("select"), past("epoll")}; }

Finding judge_ceiling(const Evidence& evidence) {
  const auto other = quantity_of(evidence, past("epoll"), "cpu_us", "µs");
  if (!other.missing.empty()) return not_measured(other.missing);
  const auto served = quantity_of(evidence, past("select"), "cpu_us", "µs");
  if (served.missing.empty()) return finding(false, "select serves 1,100 connections");
  const std::string why = evidence.why_missing(past("select"));
  const char* const ceiling = find_model("select")->limit.reason;
  if (!ceiling || why != ceiling) return not_measured(served.missing);
  return finding(
      true, fmt::format("of 1,100 connections select refuses some: {}; epoll serves all", why));
}

std::string number_in(const char* path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? grouped(value) : "unknown";
}

std::vector<Point> open_points(const Settings& settings) {
  std::vector<Point> points{past("epoll")};
  if (!settings.quick) points.push_back(point_of("epoll", "loop", 10'000, talking));
  return points;
}

Finding judge_open(const Evidence& evidence) {
  std::string measured = "epoll serves", separator = " ";
  for (const Point& point : open_points(evidence.settings())) {
    const auto served = quantity_of(evidence, point, "cpu_us", "µs");
    if (!served.missing.empty()) return not_measured(served.missing);
    const double us = served.series.spread()->median;
    measured += fmt::format("{}{} connections at {} µs per request", separator,
                            grouped(point.connections), number(us));
    separator = ", ";
  }
  return finding(
      true, measured,
      fmt::format("A process may have {} descriptors here (ulimit -n), all processes together {} "
                  "(fs.file-max); an ordinary user may watch {} (fs.epoll.max_user_watches).",
                  grouped(limits_of_this_machine().descriptors), number_in("/proc/sys/fs/file-max"),
                  number_in("/proc/sys/fs/epoll/max_user_watches")));
}

constexpr auto claims = std::to_array<Claim>({
    {"few-connections-threads",
     "For few connections a thread for each is as good as multiplexing: at 1 and at 10 it takes at "
     "most 1.1 times the CPU of epoll per request.",
     "S3, S4", few_points, nullptr, judge_few},
    {"many-connections-multiplexing",
     "For many connections multiplexing wins: at 1,000 (without --quick at 10,000, too), all of "
     "them active, threads take at least 1.1 times the CPU of epoll per request.",
     "S3, S4", many_points, nullptr, judge_many},
    {"select-suits-many",
     "select suits many connections, not one: on one it makes a call more per message than a "
     "blocking server, on 100 it waits once for many messages.",
     "S4", call_points, nullptr, judge_calls, true},
    {"polling-burns-cpu",
     "Polling burns CPU: at 50 requests per second non-blocking calls take at least half a core, "
     "epoll at most a tenth.",
     "S0, S2, S4", polling_points, nullptr, judge_polling},
    {"pause-delays",
     "A pause T between two polls delays an answer by 0 to T: half of them by a quarter to three "
     "quarters of T, 99 % by three quarters to five quarters of T at most; without one the half is "
     "answered in half of that or less.",
     "S0, S2, S4", pause_points, nullptr, judge_pause},
    {"select-grows",
     "What select costs grows with idle connections: at 1,000, 10 of them active, a request takes "
     "at least 1.5 times the CPU of one at 10.",
     "S3, S4", [](const Settings& s) { return growth_beside_epoll("select", s); }, nullptr,
     [](const Evidence& e) { return judge_growth(e, "select", Relation::at_least, 1.5); }},
    {"poll-grows",
     "What poll costs grows with idle connections: at 1,000, 10 of them active, a request takes at "
     "least 1.5 times the CPU of one at 10.",
     "S3, S4", [](const Settings& s) { return growth_beside_epoll("poll", s); }, nullptr,
     [](const Evidence& e) { return judge_growth(e, "poll", Relation::at_least, 1.5); }},
    {"epoll-stays-flat",
     "What epoll costs does not depend on idle connections: at 1,000, 10 of them active, a request "
     "takes at most 1.25 times the CPU of one at 10.",
     "S3, S4", [](const Settings& s) { return growth_of("epoll", s); }, nullptr,
     [](const Evidence& e) { return judge_growth(e, "epoll", Relation::at_most, 1.25); }},
    {"select-ends-at-1024",
     "select can't watch more than 1,024 descriptors; epoll can: of 1,100 connections.", "S3, S4",
     ceiling_points, nullptr, judge_ceiling},
    {"epoll-ends-at-open-files",
     "What limits epoll is the number of open files, not 1,024: it serves 1,100 connections, and "
     "without --quick 10,000.",
     "S3, S4", open_points, nullptr, judge_open},
});

}  // namespace

std::span<const Claim> model_claims() { return claims; }

}  // namespace polyio::lab
