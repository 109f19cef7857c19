#include "logging.hpp"

#include <fmt/chrono.h>

#include <chrono>
#include <polyio/os/thread.hpp>

namespace polyio::app {

namespace {
// Of this thread. No std::string: where memory is short its destructor can't be registered.
constinit thread_local std::time_t second = 0;
constinit thread_local char time_text[32] = "", thread[32] = "";
}  // namespace

// The second is formatted once for all lines of it: localtime_r(3) takes a lock.
std::string log_line(std::string_view text) {
  using namespace std::chrono;
  if (!*thread) os::this_thread_text().copy(thread, sizeof thread - 1);
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch());
  if (const std::time_t today = now.count() / 1000; today != second) {
    fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(today)).copy(time_text, 31);
    second = today;
  }
  return fmt::format("{},{:03} {} {}\n", time_text, now.count() % 1000, thread, text);
}

}  // namespace polyio::app
