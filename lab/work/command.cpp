// `polyio lab work`: what claims measure that are about no server, one kind each.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "../commands.hpp"
#include "work.hpp"

namespace polyio::lab {
namespace {

// A subcommand that prints what `measure` answers, on one line.
CLI::App* add_kind(CLI::App& work, Action& run, const std::string& name, const std::string& help,
                   std::function<Json()> measure) {
  auto* command = work.add_subcommand(name, help);
  command->callback([&run, name, measure = std::move(measure)] {
    run = [name, measure] {
      try {
        fmt::print("{}\n", measure().dump());
        return 0;
      } catch (const std::exception& error) {
        fmt::print(stderr, "polyio lab work {}: {}\n", name, error.what());
        return 1;
      }
    };
  });
  return command;
}

CLI::Option* add_span(CLI::App& command, double& ms, const std::string& help) {
  return command.add_option("--span", ms, help)
      ->check(CLI::Range(0.01, 60'000.0))
      ->type_name("MS")
      ->capture_default_str();
}

void add_tasks(CLI::App& command, unsigned& tasks) {
  command.add_option("--tasks", tasks, "how many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void add_steps(CLI::App& command, std::uint64_t& steps) {
  command
      .add_option("--steps", steps,
                  "that a task computes, for the same work in every run [as many as take --span]")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}))
      ->type_name("N");
}

Nanoseconds span_of(double ms) { return Nanoseconds(std::llround(ms * 1e6)); }

void add_parallel(CLI::App& work, Action& run) {
  struct Asked {
    ParallelWork work;
    std::string kind = "cpu";
    std::vector<std::string> by{"turn", "processes", "threads"};
    double ms = 50;
  };
  auto asked = std::make_shared<Asked>();
  auto* command = add_kind(work, run, "parallel",
                           "equal tasks one after the other, in processes, in threads", [asked] {
                             const auto chosen = [&](const char* name) {
                               return std::ranges::find(asked->by, name) != asked->by.end();
                             };
                             ParallelWork what = asked->work;
                             what.turn = chosen("turn");
                             what.processes = chosen("processes");
                             what.threads = chosen("threads");
                             what.io = asked->kind == "io";
                             what.span = span_of(asked->ms);
                             return measure_parallel(what);
                           });
  command->add_option("--by", asked->by, "turn, processes, threads")
      ->delimiter(',')
      ->check(CLI::IsMember({"turn", "processes", "threads"}))
      ->type_name("NAME,...")
      ->capture_default_str();
  command->add_option("--kind", asked->kind, "what a task does: cpu, it computes; io, it blocks")
      ->check(CLI::IsMember({"cpu", "io"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_tasks(*command, asked->work.tasks);
  add_span(*command, asked->ms, "for how long a task does that");
  add_steps(*command, asked->work.steps);
  command->footer(
      "Example, on one core and on two:\n"
      "  taskset -c 0 polyio lab work parallel --kind cpu\n"
      "  taskset -c 0,1 polyio lab work parallel --kind cpu");
}

void add_switching(CLI::App& work, Action& run) {
  struct Asked {
    SwitchingWork work;
    double ms = 10;
  };
  auto asked = std::make_shared<Asked>();
  auto* command = add_kind(work, run, "switching",
                           "coroutines that wait and coroutines that compute, with switches and "
                           "without",
                           [asked] {
                             SwitchingWork what = asked->work;
                             what.span = span_of(asked->ms);
                             return measure_switching(what);
                           });
  add_tasks(*command, asked->work.tasks);
  add_span(*command, asked->ms, "for how long one waits, and one computes");
  add_steps(*command, asked->work.steps);
  command->add_option("--every", asked->work.every, "steps from one switch to the next")
      ->check(CLI::Range(1, 1'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  command->footer("Example:\n  polyio lab work switching --tasks 100 --span 5");
}

void add_starting(CLI::App& work, Action& run) {
  auto times = std::make_shared<unsigned>(200);
  auto* command = add_kind(work, run, "starting",
                           "what it takes to start and wait for a thread, a process, a coroutine",
                           [times] { return measure_starting(*times); });
  command
      ->add_option("--times", *times,
                   "threads; ten times the coroutines, a tenth of the processes by fork, a "
                   "hundredth of those by spawn")
      ->check(CLI::Range(1, 100'000))
      ->type_name("N")
      ->capture_default_str();
  command->footer("Example:\n  polyio lab work starting --times 1000");
}

void add_scheduling(CLI::App& work, Action& run) {
  auto asked = std::make_shared<SchedulingWork>();
  auto* command = add_kind(work, run, "scheduling",
                           "jobs under a scheduling policy: as they ran, and as simulated",
                           [asked] { return measure_scheduling(*asked); });
  command
      ->add_option("jobs", asked->jobs,
                   "NAME:ARRIVAL:BURST[:IO:BURST...], in ms; sjf knows the first burst")
      ->type_name("JOB...")
      ->required();
  command->add_option("--policy", asked->policy, "as of polyio sched run")->capture_default_str();
  command->add_option("--quantum", asked->quantum_ms)
      ->check(CLI::Range(1.0, 1e6))
      ->type_name("MS")
      ->capture_default_str();
  command->add_flag("--preemptive", asked->preemptive, "sjf: shortest remaining time first");
  command->footer("Example:\n  polyio lab work scheduling --policy rr long:0:200 short:10:20");
}

void add_burn(CLI::App& work, Action& run) {
  auto spans = std::make_shared<std::vector<double>>();
  auto* command = work.add_subcommand("burn", "computes, waits, computes ..., and ends");
  command->add_option("spans", *spans, "ms of processor time, of the clock, ...: an odd number")
      ->check(CLI::Range(0.0, 60'000.0))
      ->type_name("MS...")
      ->required();
  command->footer("Example:\n  polyio lab work burn 50 100 50");
  command->callback([&run, spans] {
    run = [spans] {
      if (spans->size() % 2 == 0) {
        fmt::print(stderr, "polyio lab work burn: a wait has computing behind it: give one more\n");
        return 2;
      }
      burn(*spans);
      return 0;
    };
  });
}

}  // namespace

void add_work(CLI::App& lab, Action& run) {
  auto* work = lab.add_subcommand(
      "work", "threads, processes, coroutines and scheduling, measured without a server");
  work->require_subcommand(1);
  work->footer(
      "Each prints one line of JSON; docs/lab.md says what the figures are.\n"
      "Example:\n  polyio lab work parallel --kind io");
  add_parallel(*work, run);
  add_switching(*work, run);
  add_starting(*work, run);
  add_scheduling(*work, run);
  add_burn(*work, run);
}

}  // namespace polyio::lab
