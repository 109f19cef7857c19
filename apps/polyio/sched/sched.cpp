#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <map>
#include <polyio/base/text.hpp>

#include "commands.hpp"
#include "sched/job_list.hpp"
#include "sched/report.hpp"

namespace polyio::app {
namespace {

struct Settings {
  std::string policy = "fcfs";
  std::string jobs;
  sched::Span quantum = 0;  // 0: derived from `wanted`, or 2
  sched::Span wanted = 0;   // response time
  std::size_t levels = 3;
  bool preemptive = false;
  std::vector<std::string> queues;
  sched::SimulationOptions simulation;
  double alpha = -1;  // below 0: bursts are known
  bool json = false, compare = false;
  std::string svg;
};

sched::Span quantum_of(const Settings& settings, std::size_t processes) {
  if (settings.quantum > 0) return settings.quantum;
  if (settings.wanted == 0) return 2;
  return sched::quantum_for(settings.wanted, processes, settings.simulation.switch_cost);
}

// CAUSE=PRIORITY[:QUANTUM]
void set_queue(sched::CauseQueues& queues, const std::string& text) {
  static const std::map<std::string, sched::CauseQueue sched::CauseQueues::*> causes{
      {"created", &sched::CauseQueues::created},
      {"unblocked", &sched::CauseQueues::unblocked},
      {"expired", &sched::CauseQueues::expired}};
  const auto equals = text.find('=');
  const auto cause = causes.find(text.substr(0, equals));
  sched::CauseQueue queue;
  const char* at = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
  const char* const end = text.data() + text.size();
  auto read = std::from_chars(at, end, queue.priority);
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == ':') {
    read = std::from_chars(read.ptr + 1, end, queue.quantum);
  }
  if (cause == causes.end() || read.ec != std::errc() || read.ptr != end || queue.quantum < 1) {
    throw std::invalid_argument(fmt::format(
        "--queue {}: it is created, unblocked or expired, as expired=2:4 for priority 2 and "
        "quantum 4",
        escape_for_log(text, 40)));
  }
  queues.*cause->second = queue;
}

struct Named {
  std::string name;
  std::unique_ptr<sched::Policy> policy;
};

Named make_policy(const std::string& policy, const Settings& settings, std::size_t processes) {
  const sched::Span quantum = quantum_of(settings, processes);
  const std::string guess =
      settings.alpha < 0 ? "" : fmt::format(", predicted with {}", settings.alpha);
  if (policy == "fcfs") return {policy, sched::make_fcfs()};
  if (policy == "sjf") {
    return {policy + (settings.preemptive ? ", preemptive" : "") + guess,
            sched::make_sjf(settings.preemptive)};
  }
  if (policy == "rr") {
    return {fmt::format("rr, quantum {}", quantum), sched::make_round_robin(quantum)};
  }
  if (policy == "mlfq") {
    return {fmt::format("mlfq, {} levels, quantum {}", settings.levels, quantum),
            sched::make_mlfq(sched::doubling_quanta(quantum, settings.levels))};
  }
  sched::CauseQueues queues{
      .created = {1, quantum}, .unblocked = {0, quantum}, .expired = {2, quantum}, .preempted = {}};
  for (const std::string& queue : settings.queues) set_queue(queues, queue);
  return {"by-cause", sched::make_by_cause(queues)};
}

// Throws when there is more than anybody writes: an endless input must not take all memory.
std::string read_all(const std::string& path) {
  constexpr std::size_t most = 4'000'000;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& from = path == "-" ? std::cin : file;
  std::string text(most + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(from.gcount()));
  if (!from.eof() && text.size() <= most) {
    throw std::runtime_error(fmt::format("can't read {}", escape_for_log(path)));
  }
  if (text.size() > most) {
    throw std::runtime_error(fmt::format("{} has more than {} bytes", escape_for_log(path), most));
  }
  return text;
}

int written() {
  if (std::fflush(stdout) != 0) throw std::runtime_error("can't write to standard output");
  return 0;
}

int simulate(const Settings& settings) {
  try {
    const auto jobs = parse_jobs(read_all(settings.jobs));
    if (!jobs) throw std::runtime_error(jobs.error());
    std::vector<Outcome> outcomes;
    const auto run = [&](const std::string& policy, const Settings& with) {
      const Named named = make_policy(policy, with, jobs->size());
      sched::SimulationOptions options = with.simulation;
      if (with.alpha >= 0) options.alpha = with.alpha;
      outcomes.push_back({named.name, sched::simulate(*jobs, *named.policy, options)});
    };
    if (settings.compare) {
      Settings preemptive = settings;
      preemptive.preemptive = true;
      run("fcfs", settings);
      run("sjf", settings);
      if (!settings.preemptive) run("sjf", preemptive);
      for (const char* const policy : {"rr", "mlfq", "by-cause"}) run(policy, settings);
    } else {
      run(settings.policy, settings);
    }
    if (!settings.svg.empty()) {
      std::ofstream file(settings.svg);
      file << svg_of(*jobs, outcomes);
      if (!file.flush()) throw std::runtime_error("can't write " + escape_for_log(settings.svg));
    }
    if (settings.json) {
      fmt::print("{}", json_of(*jobs, outcomes, settings.compare));
      return written();
    }
    for (const Outcome& outcome : outcomes) {
      fmt::print("{}\n{}\n", outcome.policy, chart(*jobs, outcome, 80));
      if (!settings.compare) fmt::print("{}", table(*jobs, outcome));
    }
    if (settings.compare) fmt::print("{}", comparison(outcomes));
    return written();
  } catch (const std::exception& error) {
    fmt::print(stderr, "polyio sched simulate: {}\n", error.what());
    return 1;
  }
}

void add_simulate(CLI::App& sched, Run& run) {
  auto* command = sched.add_subcommand(
      "simulate", "jobs on one processor in virtual time: chart, times, averages");
  auto settings = std::make_shared<Settings>();
  command
      ->add_option("--jobs", settings->jobs, "lines: name arrival burst [io burst ...]; -: stdin")
      ->type_name("FILE")
      ->required();
  command->add_option("--policy", settings->policy, "fcfs, sjf, rr, mlfq or by-cause")
      ->check(CLI::IsMember({"fcfs", "sjf", "rr", "mlfq", "by-cause"}))
      ->type_name("NAME")
      ->capture_default_str();
  const auto positive = CLI::Range(1, 1'000'000'000);
  auto* quantum =
      command->add_option("--quantum", settings->quantum, "of rr, and of mlfq's level 0 [2]")
          ->check(positive)
          ->type_name("TIME");
  command
      ->add_option("--response", settings->wanted,
                   "the quantum with which all jobs are answered within this time")
      ->check(positive)
      ->excludes(quantum)
      ->type_name("TIME");
  command->add_option("--levels", settings->levels, "of mlfq, each with twice the quantum above")
      ->check(CLI::Range(1, 32))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--boost", settings->simulation.boost, "mlfq: all to level 0 so often [never]")
      ->check(positive)
      ->type_name("TIME");
  command->add_flag("--preemptive", settings->preemptive, "sjf: shortest remaining time first");
  command
      ->add_option("--predict", settings->alpha,
                   "sjf: bursts are not known, but predicted by exponential averaging")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("ALPHA");
  command->add_option("--guess", settings->simulation.first_guess, "the first prediction")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("TIME")
      ->capture_default_str();
  command
      ->add_option("--queue", settings->queues,
                   "by-cause: CAUSE=PRIORITY[:QUANTUM], the cause created, unblocked or expired")
      ->type_name("QUEUE");
  command->add_option("--switch-cost", settings->simulation.switch_cost, "from one job to another")
      ->check(CLI::Range(0, 1'000'000'000))
      ->type_name("TIME")
      ->capture_default_str();
  command->add_flag("--compare", settings->compare, "all policies on the same jobs");
  command->add_flag("--json", settings->json, "for programs");
  command->add_option("--svg", settings->svg, "writes a picture")->type_name("FILE");
  command->footer(
      "Example:\n"
      "  printf 'A 0 8\\nB 1 4\\nC 2 1 5 1\\n' | polyio sched simulate --policy rr --jobs -");
  command->callback([&run, settings] { run = [settings] { return simulate(*settings); }; });
}

}  // namespace

void add_sched(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("sched", "scheduling policies, tried out");
  command->require_subcommand(1);
  add_simulate(*command, run);
}

}  // namespace polyio::app
