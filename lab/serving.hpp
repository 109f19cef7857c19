// A server as a command runs it: with its ready line, and a console on standard input where the
// architecture lets this process have another thread. A service manager such as systemd hears that
// it is ready, reads its files again and stops, and may give it its sockets.
#pragma once

#include <polyio/server/server.hpp>

namespace polyio::lab {

// Serves to the end, and returns the exit code of `command`: 0, or 1 with the reason on stderr when
// it could not start. `made` is called before that, once the server is there.
int serve_with_console(
    std::string_view command, ServerOptions options, Handler handler,
    const std::function<void(Server&)>& made = [](Server&) {});

}  // namespace polyio::lab
