#include "measuring.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "engine.hpp"
#include "figures.hpp"
#include "report.hpp"
#include "start.hpp"

namespace polyio::lab {
namespace {

// What was there before is taken over, or else is in the way.
void open_folder(const Measuring& asked, const std::string& file, Results& results) {
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

void announce(const Measuring& asked, const Results& results, const Engine& engine) {
  std::size_t points = 0;
  for (const Measured& one : results.points) points += one.point.left_out.empty() ? 1 : 0;
  const unsigned rounds = results.settings.rounds;
  asked.say(fmt::format("{} combination{}, {} round{}, about {}; Ctrl-C keeps what is there",
                        points, points == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s",
                        rough(engine.foreseen())));
  warn_of_one_core(results.settings, asked.command);
}

template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<T>& values,
                      const std::string& help) {
  return command.add_option(name, values, help)->delimiter(',')->type_name("N,N...");
}

}  // namespace

void Measuring::say(std::string_view what) const { fmt::print(stderr, "{}: {}\n", command, what); }

Settings settings_of(const Measuring& asked) {
  Settings settings = settings_for(asked.dials.quick, asked.rounds, asked.seconds);
  settings.seed = asked.seed;
  return settings;
}

int measure(const Measuring& asked, const Settings& settings, const std::vector<Point>& plan) {
  wait_for_one_thread();
  Results results = new_results(command_line(), settings, plan);
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
    if (!results.complete()) announce(asked, results, engine);
    try {
      engine.run();
    } catch (const Interrupted& interrupted) {
      signal = interrupted.signal;
    }
  }
  save();
  const std::size_t figures = asked.svg ? write_figures(asked.out, results.points) : 0;
  fmt::print("{}", summary_of(results, verdicts_of(results)));
  std::fflush(stdout);
  const std::string also = asked.svg ? fmt::format(" and {} figures (SVG)", figures) : "";
  if (signal == 0) {
    asked.say(fmt::format("wrote {}{}; {} shows it in a browser", file, also, report));
    return 0;
  }
  asked.say(
      fmt::format("stopped; {} and {} have what was measured, and the same command with --resume "
                  "goes on",
                  file, report));
  return 128 + signal;
}

void add_load_dials(CLI::App& command, Dials& dials) {
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
}

void add_measuring(CLI::App& command, Measuring& asked, const std::string& quick) {
  command.add_flag("--quick", asked.dials.quick, quick);
  command.add_option("--rounds", asked.rounds, "runs of each combination [5; with --quick 3]")
      ->check(CLI::Range(1, 1000));
  command.add_option("--seconds", asked.seconds, "length of a run [1; with --quick 0.3]")
      ->check(CLI::Range(0.01, 3600.0));
  command.add_option("--seed", asked.seed, "of the order in a round")->capture_default_str();
  command.add_option("--out", asked.out, "folder for results.json and report.html")
      ->type_name("DIR");
  command.add_flag("--resume", asked.resume, "goes on with the results.json in DIR");
  command.add_flag("--svg", asked.svg, "writes figures for papers into DIR, too: cpu.svg, ...");
}

}  // namespace polyio::lab
