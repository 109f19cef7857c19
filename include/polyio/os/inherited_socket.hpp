// A listening socket that the process was started with: by the descriptor's number, or by its name
// where the starter follows systemd's socket activation (sd_listen_fds(3)): descriptors 3 to 3 +
// LISTEN_FDS - 1, named by LISTEN_FDNAMES, for the process LISTEN_PID.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::os {

// The descriptor, which stays the caller's to close; the error says what is missing. Thread-safe
// while nothing changes the environment.
std::expected<int, std::string> find_inherited_listener(std::string_view number_or_name);

// All that this process was given by socket activation, in their order; none: it was given none.
// The error names one that is no stream socket that listens. As above.
std::expected<std::vector<int>, std::string> find_inherited_listeners();

// Removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, so that nothing started
// from here takes the sockets for its own. Not while another thread uses the environment.
void forget_inherited_listeners() noexcept;

}  // namespace polyio::os
