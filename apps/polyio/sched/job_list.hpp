// The jobs of `polyio sched simulate`, a line each: name arrival burst [io burst ...].
#pragma once

#include <expected>
#include <polyio/sched/simulation.hpp>
#include <string>
#include <vector>

namespace polyio::app {

// Empty lines and those that begin with # are skipped. The error names the line and what is wrong.
std::expected<std::vector<sched::JobSpec>, std::string> parse_jobs(std::string_view text);

}  // namespace polyio::app
