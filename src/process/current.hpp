// Who this process is, and how it runs what it was started for: common to fork and spawn.
#pragma once

#include <functional>
#include <string>

namespace polyio::process::detail {

// In a child, first of all: its own name and kind.
void become(std::string name, bool daemon);
bool is_daemon() noexcept;
// The next default name, "Process-7".
std::string next_name();
// Runs `body`; prints what it throws to stderr, and answers 1 then. Then waits for what this
// process started, and writes out what is buffered: all but the end itself.
int run_to_the_end(std::move_only_function<int()> body) noexcept;
// What is buffered would be written by both, the parent and its copy.
void flush_all() noexcept;

}  // namespace polyio::process::detail
