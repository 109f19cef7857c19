#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <polyio/base/text.hpp>

#include "commands.hpp"
#include "sched/live_view.hpp"
#include "sched/policies.hpp"
#include "sched/sched.hpp"

namespace polyio::app {
namespace {

struct Settings {
  PolicySettings policy{.unit = 1000};
  std::string jobs;
  Nanoseconds quantum = std::chrono::milliseconds(20), boost{},
              guess = std::chrono::milliseconds(10);
  int cpu = -1;
  double alpha = 0.5;
  bool json = false;
  std::string svg;
};

sched::Span in_us(Nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

void say(std::string_view what) { fmt::print(stderr, "polyio sched run: {}\n", what); }

// The scheduler itself goes to another processor, where there is one, and so does what a job does
// before it begins.
int place(int wanted) {
  const std::vector<int> allowed = process::allowed_cpus();
  if (allowed.empty()) throw std::runtime_error("can't see which processors there are");
  const int cpu = wanted < 0 ? allowed.back() : wanted;
  if (std::ranges::find(allowed, cpu) == allowed.end()) {
    throw std::runtime_error(
        fmt::format("--cpu {}: this process may use {}", cpu, fmt::join(allowed, ", ")));
  }
  std::vector<int> others = allowed;
  std::erase(others, cpu);
  if (!others.empty()) (void)process::stay_on(others);
  return cpu;
}

Runner::Options options_of(const Settings& settings, int cpu) {
  return {.cpu = cpu,
          .boost = in_us(settings.boost),
          .alpha = settings.alpha,
          .first_guess = static_cast<double>(in_us(settings.guess))};
}

// What the simulator makes of the bursts that were measured. With nothing measured that it could
// not take there is no reason to throw but a run too long for it.
std::optional<Outcome> predict(const Runner& runner, const Settings& settings) {
  const Jobs jobs = runner.measured();
  const Named named = make_policy(settings.policy.policy, settings.policy);
  sched::SimulationOptions options{.switch_cost = runner.switch_cost(),
                                   .boost = in_us(settings.boost),
                                   .alpha = settings.alpha,
                                   .first_guess = static_cast<double>(in_us(settings.guess))};
  try {
    Outcome outcome = outcome_of(jobs, "simulated", sched::simulate(jobs, *named.policy, options));
    outcome.unit = 1000;
    return outcome;
  } catch (const std::length_error& error) {
    say(error.what());
    return std::nullopt;
  }
}

std::string json_of(const Runner& runner, const Jobs& jobs, const Outcome& measured,
                    const std::optional<Outcome>& simulated, int cpu) {
  const auto numbers = [&](const Outcome& outcome) {
    return json_members(jobs, outcome) +
           fmt::format(",\n\"switches\": {}", outcome.report.switches);
  };
  return fmt::format(
      "{{\"policy\": {}, \"cpu\": {},\n{},\n\"skipped\": {},\n\"bursts\": {},\n"
      "\"simulated\": {}}}\n",
      nlohmann::json(measured.policy).dump(), cpu, numbers(measured), runner.skipped(),
      [&] {
        std::vector<std::vector<double>> bursts;
        for (const auto& job : jobs) {
          auto& own = bursts.emplace_back();
          for (const auto span : job.bursts) own.push_back(static_cast<double>(span) / 1000);
        }
        return nlohmann::json(bursts).dump();
      }(),
      simulated ? "{" + numbers(*simulated) + "}" : "null");
}

void print_report(const Runner& runner, const Jobs& jobs, const Outcome& measured,
                  const std::optional<Outcome>& simulated, int cpu) {
  fmt::print("{}, on processor {}, times in ms\n{}\n{}", measured.policy, cpu,
             chart(jobs, measured, 80), table(jobs, measured));
  sched::Span computed = 0;
  for (const RunJob& job : runner.jobs()) computed += job.cpu;
  fmt::print("had the processor for {:.1f}, computed for {:.1f}; a switch took {:.2f}\n\n",
             static_cast<double>(runner.given()) / 1000, static_cast<double>(computed) / 1000,
             static_cast<double>(runner.switch_cost()) / 1000);
  std::vector<Outcome> both{measured};
  both[0].policy = "measured";
  if (simulated) both.push_back(*simulated);
  fmt::print("{}", comparison(both, "averages"));
}

// Progress is for standard error where standard output has the report only.
Runner::Watcher watcher_of(const Runner& runner, LiveView* view, int output) {
  Runner::Watcher watcher;
  watcher.every = view ? 100'000 : 5'000'000;
  watcher.from = view ? 0 : 2'000'000;
  watcher.on_time = [&runner, view] { view ? view->draw() : say(progress_line(runner)); };
  watcher.on_output = [view, output] {
    std::array<std::byte, 65536> room;
    const auto got = os::read(output, room);
    if (got && view) view->print({reinterpret_cast<const char*>(room.data()), *got});
  };
  watcher.on_end = [view](const RunJob& job) {
    const auto how = job.how();
    if (how.code == 0) return;
    if (view) view->erase();
    say(job.spec->job.name + " " + how.text);
  };
  return watcher;
}

int run_jobs(const std::vector<CommandSpec>& specs, const Settings& settings) {
  const Named named = make_policy(settings.policy.policy, settings.policy);
  const int cpu = place(settings.cpu);
  auto options = options_of(settings, cpu);
  const bool live = os::is_terminal(os::standard_output) && !settings.json;
  process::OutputPipe output;
  if (live && os::is_terminal(os::standard_error)) {
    auto made = process::make_output_pipe();
    if (!made) throw std::system_error(made.error(), "pipe");
    output = std::move(*made);
    options.output = output.write.get();
    options.shown_output = output.read.get();
  }
  Runner runner(specs, *named.policy, options);
  LiveView view(runner, named.name);
  const auto watcher = watcher_of(runner, live ? &view : nullptr, options.shown_output);
  const int signal = runner.run(watcher);
  if (options.shown_output >= 0) watcher.on_output();
  view.erase();
  if (signal != 0) {
    say("all jobs were ended by signal " + std::to_string(signal));
    return 128 + signal;
  }
  const Jobs jobs = runner.measured();
  const Outcome measured = runner.outcome(named.name);
  const auto simulated = predict(runner, settings);
  if (!settings.svg.empty()) {
    std::vector<Outcome> both{measured};
    if (simulated) both.push_back(*simulated);
    write_svg(settings.svg, jobs, both);
  }
  if (settings.json) {
    fmt::print("{}", json_of(runner, jobs, measured, simulated, cpu));
  } else {
    print_report(runner, jobs, measured, simulated, cpu);
  }
  written();
  const bool failed =
      std::ranges::any_of(measured.ended, [](const auto& ended) { return ended.code != 0; });
  return failed ? 1 : 0;
}

int run_list(const Settings& settings) {
  try {
    const auto specs = parse_commands(read_list(settings.jobs));
    if (!specs) throw std::runtime_error(specs.error());
    return run_jobs(*specs, settings);
  } catch (const std::exception& error) {
    say(error.what());
    return 1;
  }
}

}  // namespace

void add_run(CLI::App& sched, Run& run) {
  auto* command =
      sched.add_subcommand("run", "commands on one processor, stopped and continued by a policy");
  auto settings = std::make_shared<Settings>();
  command
      ->add_option("--jobs", settings->jobs,
                   "lines: name[!] arrival[:burst] command, times in ms; !: keeps the processor; "
                   "-: stdin")
      ->type_name("FILE")
      ->required();
  add_policy_options(*command, settings->policy);
  add_span(*command, "--quantum", settings->quantum, "of rr, and of mlfq's level 0 [20ms]");
  add_span(*command, "--boost", settings->boost, "mlfq: all to level 0 so often [never]");
  command
      ->add_option("--predict", settings->alpha,
                   "sjf: weight of the last burst in the prediction of the next")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("ALPHA")
      ->capture_default_str();
  add_span(*command, "--guess", settings->guess,
           "sjf: the first burst of jobs whose line has none [10ms]");
  command->add_option("--cpu", settings->cpu, "the processor [the last one allowed]")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  command->add_flag("--json", settings->json, "for programs");
  command->add_option("--svg", settings->svg, "writes a picture, measured and simulated")
      ->type_name("FILE");
  command->footer(
      "What jobs print goes to standard error. The exit code is 0 when all ended with 0.\n"
      "Example:\n"
      "  printf 'A 0 seq 9000000 | wc -l\\nB 50 sleep 0.1\\n' | polyio sched run --policy rr "
      "--jobs -");
  command->callback([&run, settings] {
    run = [settings] {
      if (settings->quantum < std::chrono::milliseconds(1)) {
        say("--quantum: at least 1ms");
        return 2;
      }
      settings->policy.quantum = in_us(settings->quantum);
      return run_list(*settings);
    };
  });
}

}  // namespace polyio::app
