// WaitTime: a Timeout as the timespec a system call takes, again and again for one wait: what is
// left of it each time. Reads the clock only for a wait that can end and does wait.
#pragma once

#include <algorithm>
#include <ctime>
#include <polyio/selectors/selector.hpp>

namespace polyio {

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
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left_);
    spec_ = {seconds.count(), (left_ - seconds).count()};
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
