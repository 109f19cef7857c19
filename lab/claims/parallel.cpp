// Threads and processes: the tutorial's table of threads against processes on one core and on all,
// in polyio and in Python; what overlaps on one core; and what they cost to start.
#include <fmt/format.h>

#include <algorithm>

#include "../work/work.hpp"
#include "judging.hpp"

namespace polyio::lab {
namespace {

constexpr unsigned tasks = 4;  // as in the tutorial

std::vector<int> all_cores(const Settings& settings) {
  std::vector<int> cores = settings.server_cores;
  cores.insert(cores.end(), settings.load_cores.begin(), settings.load_cores.end());
  std::ranges::sort(cores);
  const auto twice = std::ranges::unique(cores);
  cores.erase(twice.begin(), twice.end());
  return cores;
}

bool one_core(const Evidence& evidence) { return all_cores(evidence.settings()).size() < 2; }
Finding needs_two_cores() { return not_measured("It needs two cores, and there is one."); }

// Four tasks one after the other, in processes and in threads. In polyio, or in Python; that
// compute, or wait; on one core, or on all.
struct Cell {
  bool python, io, all;
};

std::string name_of(const Cell& cell) {
  return fmt::format("{}: {} tasks that {}, on {}", cell.python ? "Python" : "polyio", tasks,
                     cell.io ? "wait" : "compute", cell.all ? "all cores" : "one core");
}

// No arguments: there is no Python.
Trial trial_of(const Cell& cell, const Settings& settings) {
  const double ms = std::max(80 * settings.seconds, 1.0);  // of a task
  Trial trial{.name = name_of(cell), .arguments = {}, .cores = all_cores(settings)};
  if (!cell.all) trial.cores.resize(1);
  trial.seconds = tasks * ms / 1000 * (cell.io ? 1.5 : cell.all ? 2 : 3);
  const std::string kind = cell.io ? "io" : "cpu";
  if (cell.python) {
    trial.seconds += 0.2;
    trial.program = "/bin/sh";
    trial.arguments = python_work({kind, std::to_string(tasks), fmt::format("{}", ms / 1000)});
    return trial;
  }
  trial.seconds += 0.05;
  trial.arguments = {"lab",
                     "work",
                     "parallel",
                     "--kind",
                     kind,
                     "--tasks",
                     std::to_string(tasks),
                     "--span",
                     fmt::format("{}", ms)};
  if (!cell.io) {
    // The same computing in every round. Python's is compared within its runs only.
    static const auto each = static_cast<double>(steps_of(std::chrono::milliseconds(1)));
    trial.arguments.insert(trial.arguments.end(), {"--steps", fmt::format("{:.0f}", each * ms)});
  }
  return trial;
}

// Of the cells that there are here.
std::vector<Trial> trials_of(const Settings& settings, std::initializer_list<Cell> cells) {
  std::vector<Trial> trials;
  for (const Cell& cell : cells) {
    if (cell.all && all_cores(settings).size() < 2) continue;
    Trial trial = trial_of(cell, settings);
    if (!trial.arguments.empty()) trials.push_back(std::move(trial));
  }
  return trials;
}

constexpr Cell computing_1{false, false, false}, computing_all{false, false, true},
    waiting_1{false, true, false}, waiting_all{false, true, true},
    python_computing_1{true, false, false}, python_computing_all{true, false, true},
    python_waiting_1{true, true, false}, python_waiting_all{true, true, true};

Quantity seconds_of(const Evidence& evidence, const Cell& cell, const std::string& by) {
  const Trial trial = trial_of(cell, evidence.settings());
  if (trial.arguments.empty()) return {by, "s", {}, "There is no python3 here."};
  const std::string owner = cell.python ? "Python's " : "";
  return quantity_of(evidence, trial, by + "_s", "s",
                     by == "turn" ? "one after the other" : owner + by);
}

// That of one that computes alone: it has its core for all the time, where nothing else runs.
std::optional<Spread> share_of(const Evidence& evidence, const Cell& cell) {
  const Trial trial = trial_of(cell, evidence.settings());
  if (cell.io) return std::nullopt;
  return ratio_of(evidence.of(trial, "turn_cpu_s"), evidence.of(trial, "turn_s"));
}

// Whether they are at least, or at most, N times as fast as one after the other.
Finding gain(const Evidence& evidence, const Cell& cell, const std::string& by, Relation relation,
             double times) {
  return unless_busy(
      compare(seconds_of(evidence, cell, "turn"), relation, times, seconds_of(evidence, cell, by)),
      share_of(evidence, cell));
}

std::string median_of(const Evidence& evidence, const Cell& cell, const std::string& by) {
  const auto spread = seconds_of(evidence, cell, by).series.spread();
  return spread ? fmt::format("{:.3f}", spread->median) : "-";
}

// The tutorial's table, in seconds.
std::string table_of(const Evidence& evidence) {
  std::string text = fmt::format("Seconds for {} tasks on one core and on {}:", tasks,
                                 all_cores(evidence.settings()).size());
  for (const bool python : {false, true}) {
    for (const bool io : {false, true}) {
      text += fmt::format(" {}, {}:", python ? "Python" : "polyio", io ? "waiting" : "computing");
      for (const std::string by : {"turn", "processes", "threads"}) {
        text += fmt::format(" {} {} and {}{}", by == "turn" ? "in turn" : by,
                            median_of(evidence, {python, io, false}, by),
                            median_of(evidence, {python, io, true}, by),
                            by != "threads" ? ","
                            : io && python  ? "."
                                            : ";");
      }
    }
  }
  return text;
}

// How many times as fast as one after the other, over the cores.
Graph gains(const Evidence& evidence) {
  Graph graph{"cores", "times as fast as in turn", {}};
  for (const bool python : {false, true}) {
    for (const std::string by : {"threads", "processes"}) {
      Graph::Line line{fmt::format("{}, {}", python ? "Python" : "polyio", by), {}, {}};
      for (const bool all : {false, true}) {
        const Cell cell{python, false, all};
        const auto ratio = ratio_of(seconds_of(evidence, cell, "turn").series,
                                    seconds_of(evidence, cell, by).series);
        line.x.push_back(all ? static_cast<double>(all_cores(evidence.settings()).size()) : 1);
        line.y.push_back(ratio ? std::optional(ratio->median) : std::nullopt);
      }
      graph.lines.push_back(std::move(line));
    }
  }
  return graph;
}

std::vector<Trial> whole_table(const Settings& settings) {
  return trials_of(settings,
                   {computing_1, computing_all, waiting_1, waiting_all, python_computing_1,
                    python_computing_all, python_waiting_1, python_waiting_all});
}

Finding judge_threads(const Evidence& evidence) {
  if (one_core(evidence)) return needs_two_cores();
  Finding found = all_of({gain(evidence, computing_all, "threads", Relation::at_least, 1.5),
                          gain(evidence, computing_all, "processes", Relation::at_least, 1.5)});
  found.text += (found.text.empty() ? "" : " ") + table_of(evidence);
  found.graph = gains(evidence);
  return found;
}

Finding judge_python(const Evidence& evidence) {
  if (one_core(evidence)) return needs_two_cores();
  Finding found =
      all_of({gain(evidence, python_computing_all, "threads", Relation::at_most, 1.2),
              gain(evidence, python_computing_all, "processes", Relation::at_least, 1.5)});
  const Series gil = evidence.of(trial_of(python_computing_all, evidence.settings()), "gil");
  if (const auto spread = gil.spread(); spread && spread->median == 0) {
    found.text += "This Python is built without the lock.";
  }
  return found;
}

Finding judge_waiting(const Evidence& evidence) {
  const bool all = !one_core(evidence);
  std::vector<Finding> parts{gain(evidence, {false, true, all}, "threads", Relation::at_least, 2)};
  const Finding python = gain(evidence, {true, true, all}, "threads", Relation::at_least, 2);
  if (python.outcome != Outcome::not_measured) parts.push_back(python);
  // What the processes cost beyond what the threads do.
  const Trial trial = trial_of({false, true, all}, evidence.settings());
  parts.push_back(compare(
      quantity_of(evidence, trial, "processes_cpu_s", "s", "CPU time of the processes"),
      Relation::at_least, 2, quantity_of(evidence, trial, "threads_cpu_s", "s", "of the threads")));
  Finding found = all_of(parts);
  if (python.outcome == Outcome::not_measured) found.text += " Python: " + python.text;
  return found;
}

std::vector<Trial> waiting_trials(const Settings& settings) {
  return trials_of(settings, {waiting_all, python_waiting_all, waiting_1, python_waiting_1});
}

std::vector<Trial> concurrency_trials(const Settings& settings) {
  return trials_of(settings, {computing_1, waiting_1, computing_all});
}

Finding judge_concurrency(const Evidence& evidence) {
  std::vector<Finding> parts{gain(evidence, waiting_1, "threads", Relation::at_least, 2),
                             gain(evidence, computing_1, "threads", Relation::at_most, 1.2)};
  if (one_core(evidence)) {
    parts.push_back(not_measured("That two cores compute at once needs two, and there is one."));
  } else {
    Quantity one = seconds_of(evidence, computing_1, "threads");
    Quantity all = seconds_of(evidence, computing_all, "threads");
    one.name += " on one core";
    all.name += " on all";
    parts.push_back(
        unless_busy(compare(one, Relation::at_least, 1.5, all), share_of(evidence, computing_all)));
  }
  return all_of(parts);
}

Trial starting(const Settings& settings) {
  const auto times = static_cast<unsigned>(std::max(400 * settings.seconds, 20.0));
  return {.name = "starting threads, processes and coroutines",
          .arguments = {"lab", "work", "starting", "--times", std::to_string(times)},
          .seconds = times * 1e-4 + 0.1};
}
std::vector<Trial> starting_trials(const Settings& settings) { return {starting(settings)}; }

Finding judge_starting(const Evidence& evidence) {
  const auto cost = [&, trial = starting(evidence.settings())](const char* what,
                                                               std::string_view figure) {
    return quantity_of(evidence, trial, figure, "µs", what);
  };
  const Quantity thread = cost("a thread", "thread_us");
  Finding found =
      all_of({compare(cost("a process", "fork_us"), Relation::at_least, 2, thread),
              compare(thread, Relation::at_least, 2, cost("a coroutine", "coroutine_us"))});
  if (const auto spread = cost("", "spawn_us").series.spread()) {
    found.text += fmt::format("{}A process that begins as a program of its own takes {:.0f} µs.",
                              found.text.empty() ? "" : " ", spread->median);
  }
  return found;
}

}  // namespace

std::span<const Claim> parallel_claims() {
  static const std::vector<Claim> claims{
      {"threads-use-all-cores",
       "Threads that compute run in parallel where there is no GIL, as processes do: on "
       "two cores or more, four are at least 1.5 times as fast as one after the other.",
       "S4", nullptr, whole_table, judge_threads},
      {"python-threads-take-turns",
       "Python's threads compute one at a time, for its GIL: on any number of cores at "
       "most 1.2 times as fast as one after the other; its processes at least 1.5 times.",
       "S4", nullptr, whole_table, judge_python},
      {"threads-suffice-for-waiting",
       "For tasks that wait threads suffice, in Python too: four are at least 2 times as "
       "fast as one after the other, and processes take at least 2 times their CPU time.",
       "S4", nullptr, waiting_trials, judge_waiting},
      {"concurrency-is-not-parallelism",
       "On one core four waits overlap, at least 2 times as fast as one after the other, "
       "and computing gains nothing, at most 1.2 times; with two cores or more it is at "
       "least 1.5 times as fast as with one.",
       "S4", nullptr, concurrency_trials, judge_concurrency},
      {"threads-are-lighter",
       "A thread is lighter than a process, and a coroutine than a thread: it takes at "
       "most half the time to start and to wait for.",
       "S4", nullptr, starting_trials, judge_starting},
  };
  return claims;
}

}  // namespace polyio::lab
