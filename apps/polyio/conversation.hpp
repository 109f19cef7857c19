// Conversation: what `polyio connect` does once it is connected: two tasks, one for each direction.
#pragma once

#include <fmt/format.h>

#include <polyio/io/stream.hpp>
#include <string>
#include <string_view>

namespace polyio::app {

// Talks to the server called `target`, alone on its Io, until it closes. On a terminal the lines
// typed at a prompt are sent, and what comes appears above the prompt; in pipes standard input is
// sent and what comes is written to standard output, unchanged. Returns the exit code: 0; 1, after
// saying why on stderr; 128 + n after signal n.
Task<int> converse(Stream stream, std::string target);

// Prints the reason; returns the exit code.
inline int give_up(std::string_view why) {
  fmt::print(stderr, "polyio connect: {}\n", why);
  return 1;
}

}  // namespace polyio::app
