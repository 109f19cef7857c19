#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <polyio/client/connect.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/tls/tls.hpp>

#include "commands.hpp"
#include "conversation.hpp"

namespace polyio::app {
namespace {

struct Settings {
  std::string target;
  Nanoseconds timeout = std::chrono::seconds(10);
  bool tls = false;
  tls::ClientContextOptions trust;
};

constexpr auto what_to_give =
    "give HOST:PORT, such as 127.0.0.1:8080, example.org:80 or [::1]:8080, or unix:PATH";

bool is_unix(const std::string& target) { return target.starts_with("unix:"); }

// What went wrong, as a sentence that says what to do.
std::string explain(std::error_code error, const Settings& settings) {
  if (error.category() == os::resolve_category()) {
    return fmt::format("can't find the host '{}': {}; check its name",
                       os::parse_host_port(settings.target)->host, error.message());
  }
  const bool no_file = error == std::errc::no_such_file_or_directory;
  if (error == std::errc::connection_refused || (no_file && is_unix(settings.target))) {
    return fmt::format(
        "nothing listens on {0}: start a server first, for example with 'polyio echo --listen {0}'",
        settings.target);
  }
  if (error == std::errc::timed_out) {
    return fmt::format("no answer from {}: check the address, or give it longer with --timeout",
                       settings.target);
  }
  return fmt::format("can't connect to {}: {}", settings.target, error.message());
}

Task<Result<Stream>> open_connection(Io& io, const Settings& settings) {
  ConnectOptions options;
  options.attempt_timeout = settings.timeout;
  if (!is_unix(settings.target)) co_return co_await connect(io, settings.target, never, options);
  std::vector<os::Address> addresses(1, *os::Address::parse(settings.target));
  co_return co_await connect(io, std::move(addresses), never, options);
}

// The same of a handshake; `why` is what is wrong with the certificate.
std::string explain_tls(std::error_code error, std::string why, const Settings& settings) {
  if (why.empty()) why = error.message();
  if (error == tls::Errc::not_tls) why += ": leave --tls away";
  if (error == tls::Errc::unknown_authority) why += ": give its certificate with --ca FILE";
  if (error == tls::Errc::wrong_host) why += ": connect to it by that name";
  if (error == std::errc::timed_out) why = "the server did not answer: does it speak TLS?";
  return fmt::format("no TLS with {}: {}", settings.target, why);
}

// True: secured, or nothing to do; what the conversation is called gets the version.
Task<bool> secure(Stream& stream, const Settings& settings, std::string& name) {
  if (!settings.tls) co_return true;
  const tls::ClientContext context(settings.trust);
  std::string why, host = os::parse_host_port(settings.target)->host;
  auto done = co_await tls::connect(stream, context, std::move(host), settings.timeout, &why);
  if (!done) {
    give_up(explain_tls(done.error(), why, settings));
    co_return false;
  }
  name += " (" + tls::info(stream)->version + ")";
  co_return true;
}

int run_connect(const Settings& settings) try {
  os::ignore_sigpipe();
  auto driver = make_driver("poll");
  if (!driver) return give_up(driver.error().message());
  Io io(std::move(*driver));
  int code = 1;
  auto main = [&]() -> Task<> {
    auto stream = co_await open_connection(io, settings);
    if (!stream) {
      give_up(explain(stream.error(), settings));
    } else {
      (void)os::set_no_delay(stream->descriptor());
      std::string name = settings.target;
      const bool secured = co_await secure(*stream, settings, name);
      if (!secured) co_return;
      const int result = co_await converse(std::move(*stream), name);
      code = result;
    }
  };
  io.run(main());
  return code;
} catch (const std::exception& error) {  // no descriptor or thread is left; a file of --ca
  return give_up(error.what());
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
  auto* tls =
      command->add_flag("--tls", settings->tls, "encrypted, with a server that proves to be HOST");
  auto* authorities = command->add_option("--ca", settings->trust.authorities,
                                          "PEM: trust these authorities instead of the system's");
  authorities->type_name("FILE")->needs(tls);
  command
      ->add_flag("--trust-any-certificate", settings->trust.trust_anybody,
                 "for tests: encrypted, but anybody may be at the other end")
      ->needs(tls)
      ->excludes(authorities);
  command->footer(
      "On a terminal: a prompt with line editing; each line is sent, and what the server sends\n"
      "appears above the prompt; 'quit' or Ctrl-D leaves. In pipes: sends all of the input, then\n"
      "shuts its side down, and prints what the server sends until it closes.\n"
      "Example:\n"
      "  polyio connect 127.0.0.1:8080\n"
      "  polyio connect --tls --ca authority.pem localhost:8080\n"
      "  echo hi | polyio connect 127.0.0.1:8080");
  command->callback([&run, settings] {
    if (settings->tls && is_unix(settings->target)) {
      throw CLI::ValidationError("--tls", "needs HOST:PORT, whose certificate is asked for");
    }
    run = [settings] { return run_connect(*settings); };
  });
}

}  // namespace polyio::app
