// What serve() and serve_datagrams() are: a server made from its options, its ready line on stdout,
// run to its end; main's exit code, with the reason on stderr when it could not start.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <polyio/os/line_log.hpp>
#include <utility>

namespace polyio {

template <class Server, class Options, class Handler>
int serve_to_the_end(Options options, Handler handler) {
  try {
    if (!options.on_ready) {
      options.on_ready = [](const Server& server) {
        fmt::print("{}\n", server.ready_line());
        std::fflush(stdout);
      };
    }
    Server server(std::move(options), std::move(handler));
    server.run();
    return 0;
  } catch (const std::exception& error) {
    os::write_to_stderr(fmt::format("polyio: {}\n", error.what()));
    return 1;
  }
}

}  // namespace polyio
