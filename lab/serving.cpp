#include "serving.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <polyio/os/inherited_socket.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/service_manager.hpp>
#include <stdexcept>

#include "console.hpp"

namespace polyio::lab {
namespace {

using Log = std::function<void(LogLine)>;

// Socket activation: what the process was given is listened on instead of the address, unless that
// names one of them.
void take_inherited(ServerOptions& options, const Handler& handler) {
  if (options.listen.starts_with("fd:")) return;
  const auto sockets = os::find_inherited_listeners();
  if (!sockets) throw std::invalid_argument(sockets.error());
  for (std::size_t i = 0; i < sockets->size(); ++i) {
    std::string listen = fmt::format("fd:{}", (*sockets)[i]);
    if (i == 0) {
      options.listen = std::move(listen);
    } else {
      options.also.push_back({.listen = std::move(listen), .handler = handler});
    }
  }
}

void notify(const Log& log, std::string_view state) {
  const auto done = os::notify_service_manager(state);
  if (done || !log) return;
  log({fmt::format("the service manager can't be notified: {}", done.error().message()),
       LogLevel::warning});
}

// The service manager hears how the server is; on_ready is its caller's to report.
void report_changes(ServerOptions& options) {
  options.on_stop = [log = options.log] { notify(log, "STOPPING=1"); };
  if (!options.on_reload) return;
  options.on_reload = [log = options.log, reload = std::move(options.on_reload)] {
    notify(log, os::reloading_state());
    reload();
    notify(log, "READY=1");
  };
}

}  // namespace

int serve_with_console(std::string_view command, ServerOptions options, Handler handler,
                       const std::function<void(Server&)>& made) {
  try {
    std::optional<Server> server;
    std::optional<Console> console;  // its prompt comes after the ready line
    take_inherited(options, handler);
    report_changes(options);
    options.on_ready = [&, log = options.log](const Server& ready) {
      fmt::print("{}\n", ready.ready_line());
      std::fflush(stdout);
      notify(log, "READY=1\nSTATUS=" + ready.ready_line());
      if (!ready.homes().empty()) console.emplace(*server);  // else it forks: no thread beside it
    };
    server.emplace(std::move(options), std::move(handler));
    os::forget_inherited_listeners();
    made(*server);
    server->run();
    return 0;
  } catch (const std::exception& error) {
    os::write_to_stderr(fmt::format("polyio {}: {}\n", command, error.what()));
    return 1;
  }
}

}  // namespace polyio::lab
