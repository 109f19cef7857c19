#include "logging.hpp"

#include <fmt/chrono.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <polyio/linux/process_id.hpp>
#include <polyio/os/thread.hpp>

namespace polyio::app {

namespace {

constexpr std::string_view level_names[] = {"error", "warning", "info"};

// Of this thread. No std::string: where memory is short its destructor can't be registered.
constinit thread_local std::time_t second = 0;
constinit thread_local char time_text[32] = "", thread[32] = "";

std::string_view name_of(LogLevel level) { return level_names[static_cast<std::size_t>(level)]; }

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string_view this_thread() {
  if (!*thread) os::this_thread_text().copy(thread, sizeof thread - 1);
  return thread;
}

}  // namespace

void add_log_options(CLI::App& command, LogOptions& options) {
  command
      .add_option_function<std::string>(
          "--log-format", [&options](const std::string& name) { options.json = name == "json"; },
          "text, or json: one object a line [text]")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT");
  command
      .add_option_function<std::string>(
          "--log-level",
          [&options](const std::string& name) {
            const auto at = std::ranges::find(level_names, name) - level_names;
            options.level = static_cast<LogLevel>(at);
          },
          "error, warning (and errors), or info: what is said in open rooms, too [info]")
      ->check(CLI::IsMember({"error", "warning", "info"}))
      ->type_name("LEVEL");
}

// The second is formatted once for all lines of it: localtime_r(3) takes a lock.
std::string log_line(LogLine line) {
  const std::int64_t now = now_ms();
  if (const std::time_t today = now / 1000; today != second) {
    fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(today)).copy(time_text, 31);
    second = today;
  }
  const bool plain = line.level == LogLevel::info;
  return fmt::format("{},{:03} {} {}{}{}\n", time_text, now % 1000, this_thread(),
                     plain ? "" : name_of(line.level), plain ? "" : ": ", line.text);
}

std::string json_log_line(LogLine line) {
  const std::int64_t now = now_ms();
  const nlohmann::json text(line.text);
  return fmt::format(
      R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","message":{},"pid":{},"thread":"{}"}})"
      "\n",
      fmt::gmtime(static_cast<std::time_t>(now / 1000)), now % 1000, name_of(line.level),
      text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), os::this_process().pid,
      this_thread());
}

}  // namespace polyio::app
