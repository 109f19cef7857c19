// `polyio lab claims`: measures what the claims need, and says of each whether it holds here.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "../chart_svg.hpp"
#include "../commands.hpp"
#include "../engine.hpp"
#include "../report.hpp"
#include "../start.hpp"
#include "../text.hpp"
#include "experiment.hpp"

namespace polyio::lab {
namespace {

struct Asked {
  std::vector<std::string> names;
  std::string out, svg;
  bool quick = false, list = false;
  unsigned rounds = 0;  // 0: as the settings have it
  double seconds = 0;
};

void say(std::string_view what) { fmt::print(stderr, "polyio lab claims: {}\n", what); }

void announce(const std::vector<Claim>& claims, const Results& results, const Engine& engine) {
  const unsigned rounds = results.settings.rounds;
  say(fmt::format("{} claim{}, {} round{} of {} measurements, about {}; Ctrl-C keeps what is there",
                  claims.size(), claims.size() == 1 ? "" : "s", rounds, rounds == 1 ? "" : "s",
                  results.points.size() + results.trials.size(), rough(engine.foreseen())));
  warn_of_one_core(results.settings, "polyio lab claims");
}

void open_folder(const std::string& out, const std::string& file) {
  std::filesystem::create_directories(out);
  if (std::filesystem::exists(file)) {
    throw std::runtime_error(file + " is there already: --out takes another folder");
  }
}

void write_figures(const std::vector<Judged>& judged, const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& [claim, finding] : judged) {
    if (!finding.graph) continue;
    const std::string file = fmt::format("{}/{}.svg", folder, claim.name);
    write_file(file, svg_of(*finding.graph, claim.name));
    say("wrote " + file);
  }
}

int check(const Asked& asked) {
  const auto claims = choose_claims(all_claims(), asked.names);
  if (asked.list) {
    fmt::print("{}", list_of(claims));
    return 0;
  }
  Results results =
      plan_of(claims, command_line(), settings_for(asked.quick, asked.rounds, asked.seconds));
  wait_for_one_thread();
  const std::string file = asked.out + "/claims.json";
  if (!asked.out.empty()) open_folder(asked.out, file);
  std::vector<Judged> judged;
  const auto save = [&] {
    judged = judge(claims, Measurements(results));
    if (asked.out.empty()) return;
    write_file(file, to_json(results, judged));
    write_report(asked.out);
  };
  int signal = 0;
  {
    Engine engine(results, save);
    announce(claims, results, engine);
    try {
      engine.run();
    } catch (const Interrupted& interrupted) {
      signal = interrupted.signal;
    }
  }
  save();
  fmt::print("{}", table_of(judged));
  const std::string warning = busy_warning(results);
  if (!warning.empty()) fmt::print("\n{}", wrapped(warning, 0));
  std::fflush(stdout);
  if (!asked.svg.empty()) write_figures(judged, asked.svg);
  if (signal != 0) say("stopped; the claims are judged by what was measured");
  if (!asked.out.empty()) {
    say(fmt::format("wrote {}; {}/report.html shows it in a browser", file, asked.out));
  }
  return signal == 0 ? 0 : 128 + signal;
}

}  // namespace

void add_claims(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "claims", "what textbooks claim about models and architectures: does it hold here?");
  auto asked = std::make_shared<Asked>();
  command->add_option("NAME", asked->names, "these claims only, see --list [all]");
  command->add_flag("--list", asked->list, "says what is claimed, and measures nothing");
  command->add_flag("--quick", asked->quick, "short runs, 3 rounds");
  command->add_option("--rounds", asked->rounds, "runs of each measurement [5; with --quick 3]")
      ->check(CLI::Range(1, 1000));
  command->add_option("--seconds", asked->seconds, "length of a run [1; with --quick 0.3]")
      ->check(CLI::Range(0.01, 3600.0));
  command
      ->add_option("--out", asked->out, "folder for claims.json and report.html [the table only]")
      ->type_name("DIR");
  command
      ->add_option("--svg", asked->svg, "folder for a figure, NAME.svg, of each claim that has one")
      ->type_name("DIR");
  command->footer(
      "A claim holds, does not hold here, or its difference is within the noise: docs/lab.md has\n"
      "the rule. Exit codes: 0, whatever holds; 130 after Ctrl-C.\n"
      "Examples:\n"
      "  polyio lab claims --list\n"
      "  polyio lab claims --quick --out claims        all, in a few minutes\n"
      "  polyio lab claims select-grows epoll-stays-flat");
  command->callback([&run, asked] {
    run = [asked] {
      try {
        return check(*asked);
      } catch (const std::exception& error) {
        say(error.what());
        return 1;
      }
    };
  });
}

}  // namespace polyio::lab
