// `polyio lab run`: the options, and what is done with what the engine measures.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "engine.hpp"
#include "report.hpp"
#include "start.hpp"

namespace polyio::lab {
namespace {

struct Asked {
  Dials dials;
  std::string out;
  std::uint64_t seed = 1;
  unsigned rounds = 0;  // 0: as the settings have it
  double seconds = 0;
  bool resume = false;
};

void say(std::string_view what) { fmt::print(stderr, "polyio lab run: {}\n", what); }

// What was there before is taken over, or else is in the way.
void open_folder(const Asked& asked, const std::string& file, Results& results) {
  std::filesystem::create_directories(asked.out);
  const bool there = std::filesystem::exists(file);
  if (asked.resume && !there) throw std::runtime_error("there is no " + file + " to go on from");
  if (!asked.resume && there) {
    throw std::runtime_error(file +
                             " is there already: --resume goes on with it, --out takes another "
                             "folder");
  }
  if (asked.resume) take_over(results, read_file(file));
}

void announce(const Results& results, const Engine& engine) {
  std::size_t points = 0;
  for (const Measured& one : results.points) points += one.point.left_out.empty() ? 1 : 0;
  const unsigned rounds = results.settings.rounds;
  say(fmt::format("{} combination{}, {} round{}, about {}; Ctrl-C keeps what is there", points,
                  points == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s",
                  rough(engine.foreseen())));
  warn_of_one_core(results.settings, "polyio lab run");
}

int measure(const Asked& asked) {
  const auto plan = make_plan(asked.dials, list_models(), limits_of_this_machine());
  Settings settings = settings_for(asked.dials.quick, asked.rounds, asked.seconds);
  settings.seed = asked.seed;
  Results results = new_results(command_line(), settings, plan);
  wait_for_one_thread();
  const std::string file = asked.out + "/results.json";
  open_folder(asked, file, results);
  const std::string report = asked.out + "/report.html";
  const auto save = [&] {
    write_file(file, to_json(results, verdicts_of(results)));
    write_report(asked.out);
  };
  int signal = 0;
  {
    Engine engine(results, save);
    if (!results.complete()) announce(results, engine);
    try {
      engine.run();
    } catch (const Interrupted& interrupted) {
      signal = interrupted.signal;
    }
  }
  save();
  fmt::print("{}", summary_of(results, verdicts_of(results)));
  std::fflush(stdout);
  if (signal == 0) {
    say(fmt::format("wrote {}; {} shows it in a browser", file, report));
    return 0;
  }
  say(
      fmt::format("stopped; {} and {} have what was measured, and the same command with --resume "
                  "goes on",
                  file, report));
  return 128 + signal;
}

template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<T>& values,
                      const std::string& help) {
  return command.add_option(name, values, help)->delimiter(',')->type_name("N,N...");
}

void add_dials(CLI::App& command, Dials& dials) {
  add_list(command, "--models", dials.models, "I/O models, see polyio models [all that work here]")
      ->type_name("NAME,...");
  add_list(command, "--architectures", dials.architectures,
           "what runs them [all; with --quick each model's first, and all of the best model]")
      ->type_name("NAME,...");
  add_list(command, "--connections", dials.connections,
           "how many are open [1,10,100,1000,10000; with --quick 1,100,1000]")
      ->check(CLI::Range(1, 1'000'000));
  add_list(command, "--active", dials.active, "how many of them talk, at most; 0: all [100]")
      ->check(CLI::Range(0, 1'000'000));
  add_list(command, "--size", dials.size, "bytes of a message [64]")
      ->check(CLI::Range(1, 16 << 20));
  add_list(command, "--depth", dials.depth, "messages outstanding on each connection [1]")
      ->check(CLI::Range(1, 65536));
  add_list(command, "--rate", dials.rate,
           "open loop: requests per second, whatever the server does; its latency counts from when "
           "a request fell due; 0: each answer brings the next request [0]")
      ->check(CLI::Range(0.0, 1e7));
  add_list(command, "--handler", dials.handlers,
           "what a request costs: echo, sleep:5ms (the handler waits), cpu:200us (it computes) "
           "[echo]")
      ->type_name("HANDLER,...");
}

}  // namespace

void add_run(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "run", "measures models and architectures under the same load, and says which to use");
  auto asked = std::make_shared<Asked>();
  command->add_flag("--quick", asked->dials.quick, "short runs, 3 rounds: one to two minutes");
  add_dials(*command, asked->dials);
  command->add_option("--rounds", asked->rounds, "runs of each combination [5; with --quick 3]")
      ->check(CLI::Range(1, 1000));
  command->add_option("--seconds", asked->seconds, "length of a run [1; with --quick 0.3]")
      ->check(CLI::Range(0.01, 3600.0));
  command->add_option("--seed", asked->seed, "of the order in a round")->capture_default_str();
  command->add_option("--out", asked->out, "folder for results.json and report.html")
      ->type_name("DIR")
      ->required();
  command->add_flag("--resume", asked->resume, "goes on with the results.json in DIR");
  command->footer(
      "Server and load are processes on cores of their own; every byte is checked. docs/lab.md\n"
      "says what the figures mean.\n"
      "Examples:\n"
      "  polyio lab run --quick --out lab            which model, which architecture, here?\n"
      "  polyio lab run --models epoll,io_uring --connections 1,1000 --out lab2\n"
      "  polyio lab run --models epoll,blocking --handler cpu:200us --rate 1000 --out lab3");
  command->callback([&run, asked] {
    run = [asked] {
      try {
        return measure(*asked);
      } catch (const std::exception& error) {
        say(error.what());
        return 1;
      }
    };
  });
}

void add_lab(CLI::App& app, Action& run) {
  auto* lab = app.add_subcommand(
      "lab", "measures models and architectures on this machine: which is best here?");
  lab->require_subcommand(1);
  lab->footer(
      "Examples:\n  polyio lab run --quick --out lab\n  polyio lab claims --quick\n"
      "  polyio lab trace --model epoll");
  add_run(*lab, run);
  add_claims(*lab, run);
  add_compare(*lab, run);
  add_trace(*lab, run);
  add_serve(*lab, run);
  add_calls(*lab, run);
  add_load(*lab, run);
}

}  // namespace polyio::lab
