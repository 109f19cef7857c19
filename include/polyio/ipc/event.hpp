// Event: a flag that threads or processes wait for. One word holds the flag and how often it was
// cleared, so a waiter returns even if the flag was set and cleared again before it ran. System
// calls: one to sleep, and one for each set() that changes the flag. If the setter is killed before
// it has woken the waiters, they look again after recheck_every.
#pragma once

#include <climits>
#include <polyio/base/result.hpp>
#include <polyio/ipc/kernel.hpp>

namespace polyio::ipc {

template <class K>
class BasicEvent {
 public:
  // Releases all waiters, and those that come until it is cleared.
  void set() noexcept {
    std::uint32_t seen = word_.load();
    while (!(seen & 1)) {
      if (!word_.compare_exchange(seen, seen | 1)) continue;
      K::wake(word_.futex(), INT_MAX);
      return;
    }
  }
  void clear() noexcept {
    std::uint32_t seen = word_.load();
    while ((seen & 1) && !word_.compare_exchange(seen, seen + 1)) {
    }
  }
  bool is_set() const noexcept { return word_.load() & 1; }
  // Returns once it is set, or has been set since the call. Errors: timed_out.
  Result<> wait(Deadline deadline = never) noexcept {
    const std::uint32_t first = word_.load();
    if (first & 1) return {};
    for (;;) {
      const bool late = K::sleep(word_.futex(), first, deadline);
      if (word_.load() != first) return {};
      if (late) return fail(ETIMEDOUT);
    }
  }

 private:
  Word<K> word_;  // bit 0: set; the others count
};

using Event = BasicEvent<SharedKernel>;

}  // namespace polyio::ipc

namespace polyio::threads {
using Event = ipc::BasicEvent<ipc::ThreadKernel>;
}  // namespace polyio::threads
