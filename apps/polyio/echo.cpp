#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace polyio::app {
namespace {

void ascii_upper(std::span<std::byte> bytes) noexcept {
  for (std::byte& b : bytes) {
    const bool small = b >= std::byte{'a'} && b <= std::byte{'z'};
    b ^= small ? std::byte{0x20} : std::byte{0};  // no branch: the compiler makes vectors of it
  }
}

// The upper-casing handler of the tutorials: the same under every model and architecture.
Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

}  // namespace

void add_echo(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("echo", "a server that answers in upper case");
  auto options = std::make_shared<ServerOptions>();
  options->listen = "127.0.0.1:8080";
  add_server_options(*command, *options);
  command->footer(
      "Example:\n"
      "  polyio echo --listen 127.0.0.1:8080 --model epoll --architecture loops --workers 2\n"
      "  echo hi | polyio connect 127.0.0.1:8080");
  command->callback([&run, options] { run = [options] { return serve(*options, upper); }; });
}

}  // namespace polyio::app
