// The subcommands of `polyio lab`, each of which adds itself (command.hpp).
#pragma once

#include "command.hpp"

namespace polyio::lab {

void add_run(CLI::App& lab, Action& run);
void add_claims(CLI::App& lab, Action& run);
void add_peers(CLI::App& lab, Action& run);
void add_compare(CLI::App& lab, Action& run);
void add_trace(CLI::App& lab, Action& run);
void add_live(CLI::App& lab, Action& run);
// The parts that a run starts as processes of their own; documented, for other measurements.
void add_serve(CLI::App& lab, Action& run);
void add_calls(CLI::App& lab, Action& run);
void add_load(CLI::App& lab, Action& run);
void add_work(CLI::App& lab, Action& run);

}  // namespace polyio::lab
