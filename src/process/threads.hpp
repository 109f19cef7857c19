// The end of the program, as room process's threads see it.
#pragma once

namespace polyio::process::detail {

// Waits for every Thread that is no daemon.
void join_threads() noexcept;

}  // namespace polyio::process::detail
