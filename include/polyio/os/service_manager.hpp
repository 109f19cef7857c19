// What a program says of itself to the service manager that started it, such as systemd, by the
// protocol of sd_notify(3): datagrams to the Unix socket that NOTIFY_SOCKET names.
#pragma once

#include <polyio/base/result.hpp>
#include <string>
#include <string_view>

namespace polyio::os {

// Sends assignments, one a line: "READY=1", "STOPPING=1", "STATUS=some words". False: no manager
// has asked. Waits a second at most for one that does not read. Errors: EINVAL for a name that is
// neither a path nor "@name", EAGAIN after that second, those of socket(2) and sendto(2).
// Thread-safe while nothing changes the environment.
Result<bool> notify_service_manager(std::string_view state);

// "RELOADING=1" with the time, which systemd wants beside it; READY=1 says that it is over.
std::string reloading_state();

}  // namespace polyio::os
