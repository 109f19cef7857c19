// `polyio lab peers`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "commands.hpp"
#include "measuring.hpp"
#include "peers.hpp"

namespace polyio::lab {
namespace {

struct Asked : Measuring {
  std::vector<std::string> only;
  std::string folder;
  bool list = false;
};

constexpr std::string_view to_build =
    "scripts/install build bench\n"
    "  cmake --preset release -B build/bench -DPOLYIO_BENCH=ON\n"
    "  cmake --build build/bench --target polyio_bench polyio_app\n"
    "  build/bench/apps/polyio/polyio lab peers ...";

bool is_there(const FoundPeer& found) { return found.missing.empty(); }

int list(const std::vector<FoundPeer>& all) {
  for (const FoundPeer& found : all) {
    std::string program;
    for (const std::string& word : found.program) program += " " + word;
    fmt::print("{:<22}{:<14}{}\n", found.peer->name, found.peer->architecture,
               is_there(found) ? program.substr(1) : "missing: " + found.missing);
  }
  return 0;
}

int compare_with_peers(const Asked& asked) {
  const std::string folder = asked.folder.empty() ? usual_folder_of_peers() : asked.folder;
  const std::vector<FoundPeer> found = find_peers(folder, asked.only);
  if (asked.list) return list(found);
  if (asked.out.empty()) throw std::invalid_argument("--out DIR is needed: where the results go");
  if (std::ranges::none_of(found, is_there)) {
    throw std::runtime_error(fmt::format(
        "none of the peers is in {}. In polyio's source folder, bench/peers builds them and runs "
        "this command; it does:\n  {}\nWhere they are elsewhere, --peers names the folder",
        folder, to_build));
  }
  for (const FoundPeer& each : found) {
    if (!is_there(each)) asked.say(fmt::format("without {}: {}", each.peer->name, each.missing));
  }
  Settings settings = settings_of(asked);
  settings.server_cores.resize(1);  // the peers have one thread
  return measure(asked, settings,
                 plan_with_peers(asked.dials, list_models(), limits_of_this_machine(), found));
}

}  // namespace

void add_peers(CLI::App& lab, Action& run) {
  auto* command =
      lab.add_subcommand("peers", "measures polyio beside other libraries, and loops by hand");
  auto asked = std::make_shared<Asked>();
  asked->command = "polyio lab peers";
  command->add_option("--only", asked->only, "only these of the peers, see --list [all]")
      ->delimiter(',')
      ->type_name("NAME,...");
  command
      ->add_option("--peers", asked->folder,
                   "where their programs are [beside this program's build, in bench]")
      ->check(CLI::ExistingDirectory)
      ->type_name("FOLDER");
  command->add_flag("--list", asked->list, "the peers, and what of them is missing here");
  add_load_dials(*command, asked->dials);
  add_measuring(*command, *asked, "short runs, 3 rounds: two to three minutes");
  command->footer(
      "Each server has one core, the load another one, and every byte is checked, as by polyio "
      "lab\n"
      "run; docs/lab.md says what the figures mean. bench/peers builds the peers first.\n"
      "Examples:\n"
      "  polyio lab peers --list\n"
      "  polyio lab peers --quick --out peers\n"
      "  polyio lab peers --only libuv,asio,go --connections 100 --depth 16 --out peers2");
  command->callback([&run, asked] {
    run = [asked] {
      try {
        return compare_with_peers(*asked);
      } catch (const std::exception& error) {
        asked->say(error.what());
        return 1;
      }
    };
  });
}

}  // namespace polyio::lab
