#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <polyio/base/text.hpp>
#include <polyio/os/file.hpp>
#include <polyio/process/process.hpp>

#include "commands.hpp"
#include "lab/command.hpp"

int main(int argc, char** argv) {
  polyio::process::begin(argc, argv);
  polyio::os::fill_standard_descriptors();
  CLI::App app("polyio: concurrent network programs whose I/O model is chosen at start-up");
  app.set_version_flag("--version", "polyio " POLYIO_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  polyio chat                                a group chat on 127.0.0.1:3999\n"
      "  polyio echo --listen 127.0.0.1:8080 --model epoll --architecture loops\n"
      "  polyio connect 127.0.0.1:8080              talk to it\n"
      "  polyio models                              what works on this machine\n"
      "  polyio sched simulate --help               FCFS, SJF, round robin, MLFQ, tried out\n"
      "  polyio sched run --help                    the same on real processes\n"
      "  polyio lab run --quick --out lab           which model and architecture is best here\n"
      "'polyio COMMAND --help' explains the command.");
  polyio::app::Run run;
  polyio::app::add_chat(app, run);
  polyio::app::add_echo(app, run);
  polyio::app::add_connect(app, run);
  polyio::app::add_models(app, run);
  polyio::app::add_sched(app, run);
  polyio::lab::add_lab(app, run);
  app.name("polyio");
  const auto is_it = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && std::ranges::none_of(app.get_subcommands({}), is_it)) {
    fmt::print(stderr, "polyio: there is no command '{}': see polyio --help\n",
               polyio::escape_for_log(argv[1]));
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  return run();
}
