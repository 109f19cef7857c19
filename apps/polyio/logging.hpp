// The chat's log on stderr, one line per event: "time thread-name thread-id text".
#pragma once

#include <string>
#include <string_view>

namespace polyio::app {

// The line with its newline, as the calling thread says it now. Thread-safe.
std::string log_line(std::string_view text);

}  // namespace polyio::app
