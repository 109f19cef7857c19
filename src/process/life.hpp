// A process from its first line to its last: its name and kind, how it runs what it was started
// for, common to fork and spawn, and what happens at its end: threads and children that are no
// daemons are waited for, daemons are ended. Once, in the process that registered it or was started
// by Process.
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

// Registers end_program() with atexit(3), once. Throws std::system_error.
void at_end_of_program();
void end_program() noexcept;
// Waits for every Thread that is no daemon. In thread.cpp.
void join_threads() noexcept;

}  // namespace polyio::process::detail
