#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <polyio/server/datagram_server.hpp>
#include <polyio/tls/tls.hpp>
#include <vector>

#include "commands.hpp"
#include "lab/handlers.hpp"
#include "lab/serving.hpp"

namespace polyio::app {
namespace {

// Each datagram is answered to its sender, unless it or the answer gets lost.
Task<> upper_datagrams(Io&, Datagram socket) {
  std::vector<std::byte> room(65'536);
  for (;;) {
    auto got = co_await socket.receive_from(room);
    if (!got && got.error() == std::errc::operation_canceled) co_return;
    if (!got) continue;  // an earlier answer was refused
    const auto bytes = std::span(room).first(got->size);
    lab::ascii_upper(bytes);
    (void)co_await socket.send_to(bytes, got->from, got->to);
  }
}

struct Settings {
  ServerOptions server;
  tls::CertificateFiles certificate;
  bool datagrams = false;
};

// With the certificate, if there is one.
int run_streams(const Settings& settings) try {
  if (settings.certificate.chain.empty()) {
    return lab::serve_with_console("echo", settings.server, lab::upper);
  }
  const tls::ServerContext context(settings.certificate);
  for (const std::string& line : context.warnings()) {
    fmt::print(stderr, "polyio echo: warning: {}\n", line);
  }
  return lab::serve_with_console("echo", settings.server, tls::over(context, lab::upper));
} catch (const tls::ContextError& error) {
  fmt::print(stderr, "polyio echo: {}\n", error.what());
  return 1;
}

int run_echo(const Settings& settings) {
  if (!settings.datagrams) return run_streams(settings);
  const ServerOptions& options = settings.server;
  if (!options.architecture.empty() && options.architecture != "loop") {
    fmt::print(stderr, "polyio: --udp is served by one loop: leave --architecture away\n");
    return 1;
  }
  if (!options.policy.empty() && options.policy != "fcfs") {
    fmt::print(stderr, "polyio: --udp has one socket and no turns: leave --policy away\n");
    return 1;
  }
  return serve_datagrams({.listen = options.listen, .model = options.model}, upper_datagrams);
}

}  // namespace

void add_echo(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("echo", "a server that answers in upper case");
  auto settings = std::make_shared<Settings>();
  settings->server.listen = "127.0.0.1:8080";
  add_server_options(*command, settings->server);
  auto* udp =
      command->add_flag("--udp", settings->datagrams, "datagrams: UDP, or those of a Unix socket");
  auto* chain = command->add_option("--cert", settings->certificate.chain,
                                    "speak TLS with this certificate: PEM, the server's own first");
  auto* key = command->add_option("--key", settings->certificate.key, "the certificate's key: PEM");
  for (CLI::Option* one : {chain, key}) one->type_name("FILE")->excludes(udp);
  chain->needs(key);
  key->needs(chain);
  command->footer(
      "Example:\n"
      "  polyio echo --listen 127.0.0.1:8080 --model epoll --architecture loops --workers 2\n"
      "  echo hi | polyio connect 127.0.0.1:8080\n"
      "  polyio echo --listen unix:/tmp/echo.sock     echo hi | nc -U /tmp/echo.sock\n"
      "  polyio echo --cert server.pem --key server.key    polyio connect --tls localhost:8080\n"
      "  polyio echo --udp --listen 127.0.0.1:8080    echo hi | nc -u -w1 127.0.0.1 8080\n"
      "On the server's own terminal 'quit' stops it, 'model poll' changes how it waits, under the\n"
      "connections that are open, and anything else lists its threads.");
  command->callback([&run, settings] { run = [settings] { return run_echo(*settings); }; });
}

}  // namespace polyio::app
