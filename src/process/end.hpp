// What happens when a process ends: threads and children that are no daemons are waited for,
// daemons are ended. Once, in the process that registered it or was started by Process.
#pragma once

namespace polyio::process::detail {

// Registers end_program() with atexit(3), once. Throws std::system_error.
void at_end_of_program();
void end_program() noexcept;

}  // namespace polyio::process::detail
