// A span or a time since an epoch, as system calls take it.
#pragma once

#include <ctime>
#include <polyio/base/clock.hpp>

namespace polyio {

// `time` is not negative.
constexpr std::timespec to_timespec(Nanoseconds time) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {static_cast<std::time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
}

}  // namespace polyio
