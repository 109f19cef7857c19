#include "serving.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <polyio/os/line_log.hpp>

#include "console.hpp"

namespace polyio::lab {

int serve_with_console(std::string_view command, ServerOptions options, Handler handler,
                       const std::function<void(Server&)>& made) {
  try {
    std::optional<Server> server;
    std::optional<Console> console;  // its prompt comes after the ready line
    options.on_ready = [&](const Server& ready) {
      fmt::print("{}\n", ready.ready_line());
      std::fflush(stdout);
      if (!ready.homes().empty()) console.emplace(*server);  // else it forks: no thread beside it
    };
    server.emplace(std::move(options), std::move(handler));
    made(*server);
    server->run();
    return 0;
  } catch (const std::exception& error) {
    os::write_to_stderr(fmt::format("polyio {}: {}\n", command, error.what()));
    return 1;
  }
}

}  // namespace polyio::lab
