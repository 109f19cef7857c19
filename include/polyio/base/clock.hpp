// Time as polyio counts it: nanoseconds of the monotonic clock, or of the sim driver's virtual
// clock. A Deadline is a point in time, not a span, so that passing it down never lengthens a wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace polyio {

using Nanoseconds = std::chrono::nanoseconds;

// A point on the clock of one Io. `never` is later than every other.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;
using Deadline = TimePoint;
inline constexpr Deadline never = TimePoint::max();

// CLOCK_MONOTONIC now (clock_gettime(2)); thread-safe.
inline TimePoint monotonic_now() noexcept { return std::chrono::steady_clock::now(); }

// `now + span`, which is `never` where that overflows.
constexpr Deadline deadline_after(TimePoint now, Nanoseconds span) noexcept {
  return span >= never - now ? never : now + span;
}

}  // namespace polyio
