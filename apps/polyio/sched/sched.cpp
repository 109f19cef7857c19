#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <polyio/base/text.hpp>

#include "commands.hpp"
#include "sched/job_list.hpp"
#include "sched/policies.hpp"
#include "sched/sched.hpp"

namespace polyio::app {
namespace {

struct Settings {
  PolicySettings policy;
  std::string jobs;
  sched::Span wanted = 0;  // response time
  sched::SimulationOptions simulation;
  double alpha = -1;  // below 0: bursts are known
  bool json = false, compare = false;
  std::string svg;
};

std::vector<Outcome> outcomes_of(const Jobs& jobs, const Settings& settings) {
  PolicySettings policies = settings.policy;
  if (policies.quantum == 0) {
    policies.quantum = settings.wanted == 0 ? 2
                                            : sched::quantum_for(settings.wanted, jobs.size(),
                                                                 settings.simulation.switch_cost);
  }
  sched::SimulationOptions options = settings.simulation;
  if (settings.alpha >= 0) options.alpha = settings.alpha;
  std::vector<Outcome> outcomes;
  const auto run = [&](const std::string& policy) {
    Named named = make_policy(policy, policies);
    if (policy == "sjf" && options.alpha)
      named.name += fmt::format(", predicted with {}", *options.alpha);
    outcomes.push_back(outcome_of(jobs, named.name, sched::simulate(jobs, *named.policy, options)));
  };
  if (!settings.compare) {
    run(policies.policy);
    return outcomes;
  }
  run("fcfs");
  for (const bool preemptive : {false, true}) {
    if (settings.policy.preemptive && !preemptive) continue;
    policies.preemptive = preemptive;
    run("sjf");
  }
  for (const char* const policy : {"rr", "mlfq", "by-cause"}) run(policy);
  return outcomes;
}

std::string json_of(const Jobs& jobs, const std::vector<Outcome>& outcomes, bool named) {
  if (!named) return "{" + json_members(jobs, outcomes[0]) + "}\n";
  std::string text = "{\"policies\": [\n";
  for (const Outcome& outcome : outcomes) {
    text += &outcome == outcomes.data() ? "{" : ",\n{";
    text += fmt::format("\"policy\": {},\n", nlohmann::json(outcome.policy).dump());
    text += json_members(jobs, outcome) + "}";
  }
  return text + "]}\n";
}

int simulate(const Settings& settings) {
  try {
    const auto jobs = parse_jobs(read_list(settings.jobs));
    if (!jobs) throw std::runtime_error(jobs.error());
    const auto outcomes = outcomes_of(*jobs, settings);
    if (!settings.svg.empty()) write_svg(settings.svg, *jobs, outcomes);
    if (settings.json) {
      fmt::print("{}", json_of(*jobs, outcomes, settings.compare));
      written();
      return 0;
    }
    for (const Outcome& outcome : outcomes) {
      fmt::print("{}\n{}\n", outcome.policy, chart(*jobs, outcome, 80));
      if (!settings.compare) fmt::print("{}", table(*jobs, outcome));
    }
    if (settings.compare) fmt::print("{}", comparison(outcomes));
    written();
    return 0;
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
      ->add_option("--jobs", settings->jobs,
                   "lines: name[!] arrival burst [io burst ...]; -: stdin")
      ->type_name("FILE")
      ->required();
  add_policy_options(*command, settings->policy);
  const auto positive = CLI::Range(1, 1'000'000'000);
  auto* quantum =
      command->add_option("--quantum", settings->policy.quantum, "of rr, and of mlfq's level 0 [2]")
          ->check(positive)
          ->type_name("TIME");
  command
      ->add_option("--response", settings->wanted,
                   "the quantum with which all jobs are answered within this time")
      ->check(positive)
      ->excludes(quantum)
      ->type_name("TIME");
  command
      ->add_option("--boost", settings->simulation.boost, "mlfq: all to level 0 so often [never]")
      ->check(positive)
      ->type_name("TIME");
  command
      ->add_option("--predict", settings->alpha,
                   "sjf: bursts are not known, but predicted by exponential averaging")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("ALPHA");
  command->add_option("--guess", settings->simulation.first_guess, "the first prediction")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("TIME")
      ->capture_default_str();
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

void write_svg(const std::string& path, const Jobs& jobs, const std::vector<Outcome>& outcomes) {
  std::ofstream file(path);
  file << svg_of(jobs, outcomes);
  if (!file.flush()) throw std::runtime_error("can't write " + escape_for_log(path));
}

void written() {
  if (std::fflush(stdout) != 0) throw std::runtime_error("can't write to standard output");
}

void add_sched(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("sched", "scheduling policies, in virtual time and on real processes");
  command->require_subcommand(1);
  add_simulate(*command, run);
  add_run(*command, run);
}

}  // namespace polyio::app
