// `polyio lab`: the same load on every I/O model and architecture, measured on this machine. Adds
// the command and its subcommands to the program's command line; what to run is left in `run`,
// whose result is the exit code.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace polyio::lab {

using Action = std::function<int()>;

void add_lab(CLI::App& app, Action& run);

}  // namespace polyio::lab
