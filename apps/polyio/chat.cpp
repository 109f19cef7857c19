#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <polyio/os/file.hpp>
#include <polyio/os/line_log.hpp>

#include "chat/chat.hpp"
#include "commands.hpp"
#include "lab/serving.hpp"
#include "logging.hpp"

namespace polyio::app {
namespace {

struct Settings {
  ServerOptions server;
  chat::ChatOptions chat;
};

int run_chat(Settings settings) {
  try {
    os::LineLog lines(os::standard_error, log_line, os::LineLog::Writer::thread);
    const auto log = [&lines](std::string_view line) { lines.write(line); };
    settings.server.log = log;
    settings.chat.log = log;
    chat::Chat room(std::move(settings.chat));
    const int failed = lab::serve_with_console(
        "chat", std::move(settings.server),
        [&room](Io& io, Stream stream) { return room.serve(io, std::move(stream)); },
        [&room](const Server& server) { room.open(server.homes()); });
    if (!failed) log("stopped");
    return failed;
  } catch (const std::exception& error) {
    os::write_to_stderr(fmt::format("polyio chat: {}\n", error.what()));
    return 1;
  }
}

}  // namespace

void add_chat(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("chat", "a group chat: lines (nc), web page and WebSocket on one port");
  auto settings = std::make_shared<Settings>();
  settings->server.listen = "127.0.0.1:3999";
  settings->server.one_process = true;  // the rooms are in memory
  add_server_options(*command, settings->server);
  command
      ->add_option(
          "--host", settings->chat.host_names,
          "a name by which browsers may reach this server, besides IP addresses and localhost")
      ->type_name("NAME");
  command->add_option("--max-line", settings->chat.max_line, "longest message in bytes")
      ->check(CLI::Range(64, 65536))
      ->type_name("BYTES")
      ->capture_default_str();
  add_span(*command, "--request-timeout", settings->chat.request_timeout,
           "to finish the head of an HTTP request [10s]");
  add_span(*command, "--answer-timeout", settings->chat.answer_timeout,
           "to take the answer to an HTTP request [60s]");
  add_span(*command, "--line-timeout", settings->chat.line_timeout,
           "to finish a line that has begun; without one a line client may be silent [2min]");
  add_span(*command, "--ping-interval", settings->chat.ping_interval,
           "of silence until a page is pinged; after twice as long it is dropped; 0: never [30s]");
  command->footer(
      "Example:\n"
      "  polyio chat --listen 127.0.0.1:3999\n"
      "  nc 127.0.0.1 3999        in another terminal; /help lists the commands\n"
      "  http://127.0.0.1:3999/   in a browser\n"
      "On the server's own terminal 'quit' stops it, 'model epoll' changes how it waits, under "
      "the\n"
      "connections that are open, and anything else lists its threads.");
  command->callback([&run, settings] { run = [settings] { return run_chat(*settings); }; });
}

}  // namespace polyio::app
