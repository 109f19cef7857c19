// Waiting for what cannot be awaited: a thread of the kernel, or of another process.
#pragma once

#include <unistd.h>

#include <polyio/base/clock.hpp>

namespace polyio::test {

// A deadline that only a hang reaches.
inline Deadline far_away() { return deadline_after(monotonic_now(), std::chrono::seconds(60)); }

// Looks until `condition()` holds; false when it does not within a minute.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  for (const Deadline end = far_away(); monotonic_now() < end; ::usleep(200)) {
    if (condition()) return true;
  }
  return false;
}

}  // namespace polyio::test
