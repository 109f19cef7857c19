#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <polyio/os/resolve.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/selectors/poll_selector.hpp>

#include "commands.hpp"
#include "conversation.hpp"
#include "terminal.hpp"

namespace polyio::app {
namespace {

using namespace std::chrono_literals;

struct Settings {
  std::string target;
  Nanoseconds timeout = 10s;
};

constexpr auto what_to_give =
    "give HOST:PORT, such as 127.0.0.1:8080, example.org:80 or [::1]:8080, or unix:PATH";

bool is_unix(const std::string& target) { return target.starts_with("unix:"); }

Result<os::UniqueFd> connect_to(const os::Address& address, Nanoseconds timeout) {
  auto socket = os::stream_socket(address.family(), os::Blocking::no);
  if (!socket) return socket;
  const auto begun = os::start_connect(socket->get(), address);
  if (!begun) return fail(begun.error());
  PollSelector selector;
  const auto key = selector.register_fd(socket->get(), event_write);
  if (!key) return fail(key.error());
  const Deadline deadline = deadline_after(monotonic_now(), timeout);
  for (;;) {
    const auto ready = selector.select(timeout_until(deadline, monotonic_now()));
    if (!ready) return fail(ready.error());
    if (!ready->empty()) break;
    if (monotonic_now() >= deadline) return fail(ETIMEDOUT);
  }
  if (const int error = os::pending_error(socket->get())) return fail(error);
  (void)os::set_no_delay(socket->get());
  return socket;
}

// What the last address tried said, as a sentence that says what to do.
std::string explain(std::error_code error, const Settings& settings) {
  const bool no_file = error == std::errc::no_such_file_or_directory;
  if (error == std::errc::connection_refused || (no_file && is_unix(settings.target))) {
    return fmt::format(
        "nobody listens on {0}: start a server first, for example with 'polyio echo --listen {0}'",
        settings.target);
  }
  if (error == std::errc::timed_out) {
    return fmt::format("no answer from {}: check the address, or give it longer with --timeout",
                       settings.target);
  }
  return fmt::format("can't connect to {}: {}", settings.target, error.message());
}

// The addresses to try, in that order; or what is wrong.
std::expected<std::vector<os::Address>, std::string> find_addresses(const std::string& text) {
  if (is_unix(text)) {
    const auto address = os::Address::parse(text);
    if (!address) return std::unexpected(what_to_give);
    return std::vector{*address};
  }
  const auto target = os::parse_host_port(text);
  if (!target) return std::unexpected(what_to_give);  // checked on the command line
  const auto addresses = os::resolve(target->host, target->port);
  if (addresses) return *addresses;
  return std::unexpected(fmt::format("can't find the host '{}': {}; check its name", target->host,
                                     addresses.error().message()));
}

std::expected<os::UniqueFd, std::string> open_connection(const Settings& settings) {
  const auto addresses = find_addresses(settings.target);
  if (!addresses) return std::unexpected(addresses.error());
  std::error_code error;
  for (const os::Address& address : *addresses) {
    auto socket = connect_to(address, settings.timeout);
    if (socket) return std::move(*socket);
    error = socket.error();
  }
  return std::unexpected(explain(error, settings));
}

int run_connect(const Settings& settings) {
  os::ignore_sigpipe();
  // Looked at first: a socket would take the number of one that is closed.
  PollSelector probe;
  const bool input_open = probe.register_fd(standard_input, event_read).has_value();
  const bool output_open = probe.register_fd(standard_output, event_write).has_value();
  auto socket = open_connection(settings);
  if (!socket) return give_up(socket.error());
  if (input_open && output_open && Prompt::possible()) {
    return talk(std::move(*socket), settings.target);
  }
  return relay(std::move(*socket), input_open, output_open);
}

}  // namespace

void add_connect(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("connect", "a client to talk to any server of lines");
  auto settings = std::make_shared<Settings>();
  command->add_option("target", settings->target, "a name or address, and the port; or unix:PATH")
      ->required()
      ->check([](const std::string& text) {
        const bool known = is_unix(text) ? os::Address::parse(text).has_value()
                                         : os::parse_host_port(text).has_value();
        return known ? std::string() : what_to_give;
      })
      ->type_name("HOST:PORT")
      ->option_text("HOST:PORT");
  add_span(*command, "--timeout", settings->timeout,
           "for the server to answer, at each of its addresses [10s]");
  command->footer(
      "On a terminal: a prompt with line editing; every line is sent, what the server says "
      "appears\n"
      "above the prompt; 'quit' or Ctrl-D leaves. In pipes: all of the input is sent, then the end "
      "is\n"
      "told, and what the server says is the output until it closes.\n"
      "Example:\n"
      "  polyio connect 127.0.0.1:8080\n"
      "  echo hi | polyio connect 127.0.0.1:8080");
  command->callback([&run, settings] { run = [settings] { return run_connect(*settings); }; });
}

}  // namespace polyio::app
