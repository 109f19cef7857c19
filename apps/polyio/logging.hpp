// The chat's log on stderr, one line per event: "time thread-name thread-id text", with "error: "
// or "warning: " before the text, or a JSON object.
#pragma once

#include <polyio/base/log_line.hpp>
#include <string>

namespace CLI {
class App;
}

namespace polyio::app {

struct LogOptions {
  bool json = false;
  LogLevel level = LogLevel::info;  // and what is worse
};
void add_log_options(CLI::App& command, LogOptions& options);

// The line with its newline, as the calling thread says it now. Thread-safe.
std::string log_line(LogLine line);
// {"time":"2026-11-30T12:00:00.123Z","level":"info","message":…,"pid":…,"thread":…}
std::string json_log_line(LogLine line);

}  // namespace polyio::app
