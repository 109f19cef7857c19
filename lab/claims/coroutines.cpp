// Coroutines: what switching between them gains where they wait, and costs where they compute.
#include <fmt/format.h>

#include <algorithm>

#include "../work/work.hpp"
#include "judging.hpp"

namespace polyio::lab {
namespace {

// Coroutines on one core, in polyio or in Python (asyncio). No arguments: there is no Python.
Trial switching(const Settings& settings, bool python) {
  constexpr unsigned tasks = 10;
  const double ms = std::max(20 * settings.seconds, 1.0);
  Trial trial{.name = python ? "coroutines in Python" : "coroutines",
              .arguments = {},
              .cores = {settings.server_cores.front()},
              .seconds = tasks * ms / 1000 * 3.2 + 0.2};
  if (!python) {
    trial.arguments = {"lab",
                       "work",
                       "switching",
                       "--tasks",
                       std::to_string(tasks),
                       "--span",
                       fmt::format("{}", ms)};
    return trial;
  }
  trial.program = "/bin/sh";
  // A step of Python is some 50 times as long.
  trial.arguments =
      python_work({"switching", std::to_string(tasks), fmt::format("{}", ms / 1000), "20"});
  return trial;
}

std::vector<Trial> trials(const Settings& settings) {
  std::vector<Trial> both{switching(settings, false), switching(settings, true)};
  if (both[1].arguments.empty()) both.pop_back();
  return both;
}

Quantity figure(const Evidence& evidence, bool python, std::string_view name, std::string called) {
  const Trial trial = switching(evidence.settings(), python);
  if (trial.arguments.empty()) return {std::move(called), "s", {}, "There is no python3 here."};
  return quantity_of(evidence, trial, name, "s", (python ? "Python: " : "") + called);
}

Finding waits(const Evidence& evidence, bool python) {
  return compare(figure(evidence, python, "waits_turn_s", "one after the other"),
                 Relation::at_least, 5, figure(evidence, python, "waits_at_once_s", "at once"));
}

Finding computing(const Evidence& evidence, bool python) {
  Finding found =
      compare(figure(evidence, python, "switching_cpu_s", "with switches"), Relation::at_least, 1,
              figure(evidence, python, "computing_cpu_s", "without"));
  const auto cost = figure(evidence, python, "switch_ns", "").series.spread();
  if (cost) {
    found.text += fmt::format("{}A switch{} costs {:.0f} ns.", found.text.empty() ? "" : " ",
                              python ? " of asyncio" : "", cost->median);
  }
  return found;
}

// Python's is judged with ours where there is one.
Finding both(const Evidence& evidence, Finding (*judge)(const Evidence& evidence, bool python)) {
  const Finding ours = judge(evidence, false), pythons = judge(evidence, true);
  if (pythons.outcome != Outcome::not_measured) return all_of({ours, pythons});
  Finding found = ours;
  found.text += (found.text.empty() ? "Python: " : " Python: ") + pythons.text;
  return found;
}

}  // namespace

std::span<const Claim> coroutine_claims() {
  static const std::vector<Claim> claims{
      {"switching-helps-waits",
       "Switching to another task where one waits for I/O helps: ten waits of one thread "
       "at once are at least 5 times as fast as one after the other.",
       "S4", nullptr, trials, [](const Evidence& evidence) { return both(evidence, waits); }},
      {"switching-costs-computing",
       "Switching where tasks only compute is a loss: it takes more CPU time than to "
       "compute one after the other.",
       "S4", nullptr, trials, [](const Evidence& evidence) { return both(evidence, computing); }},
  };
  return claims;
}

}  // namespace polyio::lab
