// How the selectors count a wait. WaitTime: a Timeout as the timespec a system call takes, again
// and again for one wait: what is left of it each time. Reads the clock only for a wait that can
// end and does wait.
#pragma once

#include <algorithm>
#include <climits>
#include <ctime>
#include <polyio/base/timespec.hpp>
#include <polyio/selectors/selector.hpp>

namespace polyio {

// 24.8 days: a wait cut to it is not over yet when it ends.
inline constexpr int longest_wait_ms = INT_MAX;

// For system calls that count milliseconds: rounded up, so as never to wake early; -1, for ever,
// for nullptr.
inline int milliseconds(const std::timespec* timeout) noexcept {
  if (!timeout) return -1;
  if (timeout->tv_sec > longest_wait_ms / 1000) return longest_wait_ms;
  const std::int64_t exact =
      std::int64_t{timeout->tv_sec} * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000;
  return static_cast<int>(std::min<std::int64_t>(exact, longest_wait_ms));
}

class WaitTime {
 public:
  explicit WaitTime(Timeout timeout) noexcept
      : forever_(!timeout), left_(std::max(timeout.value_or(Nanoseconds()), Nanoseconds())) {
    if (left_ > Nanoseconds()) deadline_ = deadline_after(monotonic_now(), left_);
  }

  // What is left, nullptr for ever; the first time all of it. Valid until the next call.
  const std::timespec* left() noexcept {
    if (forever_) return nullptr;
    if (called_ && left_ > Nanoseconds()) {
      left_ = std::max(deadline_ - monotonic_now(), Nanoseconds());
    }
    called_ = true;
    spec_ = to_timespec(left_);
    return &spec_;
  }

 private:
  bool forever_;
  bool called_ = false;
  Nanoseconds left_;
  Deadline deadline_{};
  std::timespec spec_{};
};

}  // namespace polyio
