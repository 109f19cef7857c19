// A listening socket that the process was started with: by the descriptor's number, or by its name
// where the starter follows systemd's socket activation (sd_listen_fds(3)): descriptors 3 to 3 +
// LISTEN_FDS - 1, named by LISTEN_FDNAMES, for the process LISTEN_PID.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace polyio::os {

// The descriptor, which stays the caller's to close; the error says what is missing. Thread-safe
// while nothing changes the environment.
std::expected<int, std::string> find_inherited_listener(std::string_view number_or_name);

}  // namespace polyio::os
