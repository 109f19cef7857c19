// What every command that measures does before its first run.
#pragma once

#include <string>
#include <string_view>

#include "results.hpp"

namespace polyio::lab {

// As it was typed, but --resume.
std::string command_line();
// The usual ones, or those of --quick, with what was asked for instead; 0: nothing was. The load
// has the last core that this process may use, the server the others. Throws std::runtime_error.
Settings settings_for(bool quick, unsigned rounds, double seconds);
// Says so, as `command`, where server and load share a core.
void warn_of_one_core(const Settings& settings, std::string_view command);
// Probing a model may have had a thread for a moment, and a process with threads can't fork.
void wait_for_one_thread();

}  // namespace polyio::lab
