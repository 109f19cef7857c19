// The log: one line per event on stderr, as "time thread-name thread-id text". A thread of its own
// writes it, so that a slow terminal delays no other; when its queue is full the oldest lines are
// dropped.
#pragma once

#include <functional>
#include <string_view>

namespace polyio::app {

// Starts the log. The function returned is thread-safe.
std::function<void(std::string_view)> start_log();
// Writes what is queued. To be called before the program ends.
void stop_log();

}  // namespace polyio::app
