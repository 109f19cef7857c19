#include <CLI/CLI.hpp>
#include <charconv>
#include <polyio/drivers/registry.hpp>

#include "commands.hpp"

namespace polyio::app {
namespace {

std::string with_new_lines(std::string text) {
  for (std::size_t at = 0; (at = text.find("\\n", at)) != std::string::npos; ++at) {
    text.replace(at, 2, "\n");
  }
  return text;
}

std::string models_of_this_system() {
  std::string names = "auto";
  for (const ModelTraits& row : model_table()) {
    if (row.make) names += ", " + std::string(row.name);
  }
  return names;
}

}  // namespace

void add_span(CLI::App& command, const std::string& name, Nanoseconds& span,
              const std::string& help) {
  static const std::map<std::string, std::int64_t> units{
      {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}};
  auto assign = [&span](const std::int64_t& count) { span = Nanoseconds(count); };
  command.add_option_function<std::int64_t>(name, assign, help)
      ->transform(CLI::AsNumberWithUnit(
          units, CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                CLI::AsNumberWithUnit::UNIT_REQUIRED)))
      ->check(CLI::NonNegativeNumber)
      ->type_name("TIME");
}

void add_server_options(CLI::App& command, ServerOptions& options) {
  command
      .add_option("--listen", options.listen,
                  "address and port; port 0: any free one; or unix:PATH, unix:@NAME")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command
      .add_option("--unix-mode", options.unix_mode,
                  "permissions of a Unix socket, such as 0660 [what umask leaves]")
      ->transform(CLI::Validator(
          [](std::string& text) {
            unsigned mode = 0;
            const char* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, mode, 8);
            const bool octal = error == std::errc{} && stop == end && mode <= 0777;
            if (octal) text = std::to_string(mode);
            return std::string(octal ? "" : "give octal digits, such as 0660");
          },
          ""))
      ->type_name("MODE");
  command.add_option("--model", options.model, "how it waits: " + models_of_this_system())
      ->type_name("MODEL")
      ->capture_default_str();
  command
      .add_option("--architecture", options.architecture,
                  "what runs it: loop, loops, thread-per-connection, thread-pool, prefork, "
                  "process-per-connection, iterative; 'polyio models' shows what goes together "
                  "[loop; thread-per-connection with --model blocking]")
      ->type_name("ARCHITECTURE");
  command
      .add_option("--policy", options.policy,
                  "which of a loop's ready connections goes next: fcfs, sjf (shortest predicted "
                  "first), rr (short turns), mlfq (a busy connection falls) [fcfs]")
      ->type_name("POLICY");
  command
      .add_option("--workers", options.workers,
                  "how many loops, threads of the pool or processes [one per core; thread-pool 64; "
                  "prefork with --model blocking 16]")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command.add_option("--backlog", options.backlog, "connections the kernel queues, see listen(2)")
      ->check(CLI::Range(1, 65535))
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--max-connections", options.max_connections,
                  "served at once; further ones wait their turn [as many as there are descriptors]")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command
      .add_option(
          "--max-waiting", options.max_waiting,
          "accepted connections that may wait for a place; further clients are turned away; "
          "needs a ceiling [0; 128 where each worker serves one]")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command
      .add_option("--refusal", options.refusal,
                  "what a client that is turned away is sent; \\n is a new line [a reset]")
      ->transform(with_new_lines)
      ->type_name("TEXT");
  command
      .add_option("--accepting", options.accepting,
                  "how connections get to the loops: hand-over, shared, reuseport [hand-over]")
      ->type_name("WAY");
  add_span(command, "--idle-timeout", options.idle_timeout,
           "close a connection that makes no progress for this long, such as 90s [never]");
  add_span(command, "--drain-timeout", options.drain_timeout,
           "when stopped, give what is in flight this long to finish [5s]");
  add_span(command, "--spin", options.spin,
           "busy-poll for this long before a loop sleeps, such as 60us: latency for CPU time [0]");
  add_span(command, "--poll-interval", options.poll_interval,
           "with --model nonblocking, the pause between two rounds, such as 1ms [0]");
  add_span(command, "--watchdog", options.watchdog,
           "log a handler that holds its loop this long, such as 50ms, and where it is [never]");
}

}  // namespace polyio::app
