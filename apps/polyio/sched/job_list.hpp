// The lists of `polyio sched`, a line for each job. Empty lines and those that begin with # are
// skipped. A name that ends in ! is a job that is not pre-empted. The errors name the line and what
// is wrong.
#pragma once

#include <expected>
#include <polyio/sched/simulation.hpp>
#include <string>
#include <vector>

namespace polyio::app {

// Of `simulate`: name[!] arrival burst [io burst ...].
std::expected<std::vector<sched::JobSpec>, std::string> parse_jobs(std::string_view text);

// Of `run`: name[!] arrival[:burst] command. Times are in milliseconds there, and in microseconds
// here; the burst is the job's guess. `job` has no bursts: they are yet to be measured.
struct CommandSpec {
  sched::JobSpec job;
  std::string command;
};
std::expected<std::vector<CommandSpec>, std::string> parse_commands(std::string_view text);

// The text of a file, "-": of standard input. Throws std::runtime_error when it can't be read, or
// is longer than anybody's list: an endless input must not take all memory.
std::string read_list(const std::string& path);

}  // namespace polyio::app
