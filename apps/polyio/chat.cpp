#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <polyio/base/text.hpp>
#include <polyio/os/file.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>

#include <chat/admin/control.hpp>
#include <chat/admin/place.hpp>
#include <chat/model/chat.hpp>
#include <chat/sessions/sessions.hpp>
#include "chat_admin.hpp"
#include "commands.hpp"
#include "lab/serving.hpp"
#include "logging.hpp"

namespace polyio::app {
namespace {

struct Settings {
  ServerOptions server;
  chat::ChatOptions chat;
  std::string data;
  bool memory = false;
  tls::CertificateFiles certificate;
  LogOptions log;
};

// Reads the certificate and its key again; what is wrong with them is logged, and those before
// stay.
void reload(tls::ServerContext& context, const std::function<void(LogLine)>& log) {
  const auto read = context.reload();
  if (read) log("SIGHUP: the certificate was read again");
  if (!read) log({"SIGHUP: " + read.error(), LogLevel::error});
  for (const std::string& line : context.warnings()) log({line, LogLevel::warning});
}

// Throws what is wrong with the settings, as far as it shows without a server.
void check(const Settings& settings) {
  Server::check(settings.server);
  if (!settings.certificate.chain.empty()) (void)tls::ServerContext(settings.certificate);
}

int run_chat(Settings settings) {
  os::ignore_sigxfsz();
  try {
    os::LineLog lines(os::standard_error, settings.log.json ? json_log_line : log_line,
                      os::LineLog::Writer::thread);
    const auto log = [&lines, least = settings.log.level](LogLine line) {
      if (line.level <= least) lines.write(line);
    };
    settings.server.log = log;
    settings.chat.log = log;
    std::optional<chat::Place> place;
    if (!settings.memory) {
      settings.chat.store.path = place.emplace(settings.data).database();
      log(fmt::format("messages are kept in {}", escape_for_log(place->folder())));
    }
    if (!settings.certificate.chain.empty()) {
      settings.chat.tls.emplace(settings.certificate);
      for (const std::string& line : settings.chat.tls->warnings()) log({line, LogLevel::warning});
    }
    if (auto context = settings.chat.tls) {
      settings.server.on_reload = [log, context]() mutable { reload(*context, log); };
    }
    chat::Chat room(std::move(settings.chat));
    settings.server.background.push_back(room.background());
    if (place) settings.server.background.push_back(control(room, place->socket()));
    const int failed = lab::serve_with_console(
        "chat", std::move(settings.server),
        [&room](Io&, Stream stream) { return chat::serve_connection(room, std::move(stream)); },
        [&room](const Server& server) { room.open(server.homes()); });
    if (!failed) log("stopped");
    return failed;
  } catch (const std::exception& error) {
    os::write_to_stderr(fmt::format("polyio chat: {}\n", error.what()));
    return 1;
  }
}

void add_keeping(CLI::App& command, Settings& settings) {
  command
      .add_option("--data", settings.data,
                  "the folder where messages, rooms and accounts are kept [$STATE_DIRECTORY, "
                  "$XDG_STATE_HOME/polyio-chat or ~/.local/state/polyio-chat]")
      ->envname("POLYIO_DATA")
      ->type_name("DIR");
  auto* const cert =
      command
          .add_option("--cert", settings.certificate.chain,
                      "certificate chain (PEM): clients may speak TLS, on the same port")
          ->type_name("FILE");
  auto* const key =
      command.add_option("--key", settings.certificate.key, "its key (PEM)")->type_name("FILE");
  cert->needs(key);
  key->needs(cert);
  command.add_flag("--tls-only", settings.chat.tls_only, "refuse clients that do not speak TLS")
      ->needs(cert);
  command.add_flag("--memory", settings.memory, "keep nothing on disk")->envname("POLYIO_MEMORY");
}

void add_limits(CLI::App& command, Settings& settings) {
  chat::FloodLimits& flood = settings.chat.flood;
  flood.per_second = 20;
  command
      .add_option("--message-rate", flood.per_second,
                  "messages and commands a second that a connection or an account may send in the "
                  "long run, and an address ten times as many; 0: no limit")
      ->envname("POLYIO_MESSAGE_RATE")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--message-burst", flood.burst, "and at once")
      ->check(CLI::Range(1.0, 1e9))
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option_function<std::vector<std::string>>(
          "--behind-proxy",
          [&settings](const std::vector<std::string>& networks) {
            for (const std::string& text : networks) {
              auto network = proto::Network::parse(text);
              if (!network) throw CLI::ValidationError("--behind-proxy", network.error());
              settings.chat.proxies.push_back(*network);
            }
          },
          "an address or network, such as 127.0.0.1 or 10.0.0.0/8, of proxies that say where a "
          "connection comes from: by the PROXY protocol or X-Forwarded-For")
      ->type_name("NETWORK");
  command
      .add_option("--connections-per-address", flood.connections,
                  "at once, of other machines [no limit]")
      ->type_name("N");
  command.add_flag("!--no-guests", settings.chat.guests, "without an account, no part in it");
  command.add_flag("!--no-register", settings.chat.may_register,
                   "accounts are made by the administrator only");
  command.add_option("--max-line", settings.chat.max_line, "longest message in bytes")
      ->check(CLI::Range(64, 65536))
      ->type_name("BYTES")
      ->capture_default_str();
}

void add_patience(CLI::App& command, Settings& settings) {
  add_span(command, "--request-timeout", settings.chat.request_timeout,
           "to finish the head of an HTTP request [10s]");
  add_span(command, "--answer-timeout", settings.chat.answer_timeout,
           "to take the answer to an HTTP request [60s]");
  add_span(command, "--line-timeout", settings.chat.line_timeout,
           "to finish a line that has begun; without one a line client may be silent [2min]");
  add_span(command, "--ping-interval", settings.chat.ping_interval,
           "of silence until a page is pinged; after twice as long it is dropped; 0: never [30s]");
}

}  // namespace

void add_chat(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("chat", "a group chat: lines (nc), web page and WebSocket on one port");
  auto settings = std::make_shared<Settings>();
  settings->server.listen = "127.0.0.1:3999";
  settings->server.one_process = true;  // the rooms are in memory
  add_config(*command, run, [settings] { check(*settings); });
  add_server_options(*command, settings->server);
  command
      ->add_option(
          "--host", settings->chat.host_names,
          "a name by which browsers may reach this server, besides IP addresses and localhost")
      ->type_name("NAME");
  add_keeping(*command, *settings);
  add_limits(*command, *settings);
  add_patience(*command, *settings);
  add_log_options(*command, settings->log);
  command->footer(
      "Example:\n"
      "  polyio chat --listen 127.0.0.1:3999\n"
      "  nc 127.0.0.1 3999        in another terminal; /help lists the commands\n"
      "  http://127.0.0.1:3999/   in a browser\n"
      "  polyio chat --config chat.toml\n"
      "On the server's own terminal 'quit' stops it, 'model epoll' changes how it waits, under "
      "the\n"
      "connections that are open, and anything else lists its threads.");
  command->callback([&run, settings, command] {
    if (command->get_subcommands().empty()) run = [settings] { return run_chat(*settings); };
  });
  add_chat_admin(*command, {settings, &settings->data}, run);
}

}  // namespace polyio::app
