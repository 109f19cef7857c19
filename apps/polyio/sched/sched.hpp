// What the commands of `polyio sched` share.
#pragma once

#include <string>

#include "commands.hpp"
#include "sched/report.hpp"

namespace polyio::app {

void add_run(CLI::App& sched, Run& run);

// Throw std::runtime_error when it can't be written; written() is for standard output.
void write_svg(const std::string& path, const Jobs& jobs, const std::vector<Outcome>& outcomes);
void written();

}  // namespace polyio::app
