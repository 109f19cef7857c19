#include "logging.hpp"

#include <fmt/chrono.h>

#include <chrono>
#include <polyio/os/thread.hpp>

namespace polyio::app {

// The second is formatted once for all lines of it: localtime_r(3) takes a lock.
std::string log_line(std::string_view text) {
  using namespace std::chrono;
  thread_local const std::string thread = os::this_thread_text();
  thread_local std::time_t second = 0;
  thread_local std::string time;
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch());
  if (const std::time_t today = now.count() / 1000; today != second) {
    time = fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(today));
    second = today;
  }
  return fmt::format("{},{:03} {} {}\n", time, now.count() % 1000, thread, text);
}

}  // namespace polyio::app
