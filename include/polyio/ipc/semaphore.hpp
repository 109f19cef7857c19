// Semaphore counts; BoundedSemaphore has places that belong to the process that took them. A
// Semaphore is a signal: any process may release it, and what a killed process had acquired is
// lost. A BoundedSemaphore is a resource: its places are counted per process, only their holder
// gives them back, and those of a killed process become free again (after recheck_every at the
// latest). System calls are made only to sleep and to wake a sleeper.
#pragma once

#include <algorithm>
#include <polyio/ipc/census.hpp>
#include <polyio/ipc/mutex.hpp>

namespace polyio::ipc {

template <class K>
class BasicSemaphore {
 public:
  static constexpr std::uint32_t max = 0x7fffffff;  // SEM_VALUE_MAX

  explicit BasicSemaphore(std::uint32_t value = 1) noexcept : count_(std::min(value, max)) {}
  // Takes one; waits while the count is 0. Errors: timed_out.
  Result<> acquire(Deadline deadline = never) noexcept {
    if (take()) return {};
    sleepers_.fetch_add(1);
    bool late = false, taken = false;
    do {
      late = K::sleep(count_.futex(), 0, deadline);
      taken = take();
    } while (!taken && !late);
    sleepers_.fetch_sub(1);
    if (!taken) return fail(ETIMEDOUT);
    return {};
  }
  // Without waiting. Errors: EAGAIN.
  Result<> try_acquire() noexcept {
    if (!take()) return fail(EAGAIN);
    return {};
  }
  // Adds `count`. Errors: EOVERFLOW, past `max`.
  Result<> release(std::uint32_t count = 1) noexcept {
    std::uint32_t seen = count_.load();
    do {
      if (count > max - seen) return fail(EOVERFLOW);
    } while (!count_.compare_exchange(seen, seen + count));
    if (sleepers_.load() > 0) K::wake(count_.futex(), static_cast<int>(count));
    return {};
  }
  std::uint32_t value() const noexcept { return count_.load(); }

 private:
  bool take() noexcept {
    std::uint32_t seen = count_.load();
    while (seen > 0) {
      if (count_.compare_exchange(seen, seen - 1)) return true;
    }
    return false;
  }

  Word<K> count_, sleepers_;
};

template <class K>
class BasicBoundedSemaphore {
 public:
  static constexpr std::size_t max_processes = Census<K>::max_processes;

  // With `places` of them.
  explicit BasicBoundedSemaphore(std::uint32_t places = 1) noexcept
      : places_(places), taken_(places) {}
  // Takes a place; waits while living processes hold them all. Errors: timed_out; ENOSPC, places
  // are free, but max_processes others hold one each.
  Result<> acquire(Deadline deadline = never) noexcept {
    for (;;) {
      std::uint32_t seen = 0;
      if (auto taken = take(seen, deadline); !taken || *taken) return without_value(taken);
      sleepers_.fetch_add(1);
      const bool late = K::sleep(released_.futex(), seen, deadline);
      sleepers_.fetch_sub(1);
      if (late) return acquire_late();
    }
  }
  // Without waiting. Errors: EAGAIN, ENOSPC.
  Result<> try_acquire() noexcept {
    std::uint32_t seen = 0;
    auto taken = take(seen, never);
    if (taken && !*taken) return fail(EAGAIN);
    return without_value(taken);
  }
  // Gives back a place of the calling process. Errors: EPERM, it has none: released too often.
  Result<> release() noexcept {
    auto held = mutex_.hold_inside();
    if (!held) return fail(held.error());
    if (!taken_.remove()) return fail(EPERM);
    released_.fetch_add(1);
    held->unlock();
    if (sleepers_.load() > 0) K::wake(released_.futex(), 1);
    return {};
  }
  // Places that are free. Those of a killed process count as taken until another wants one.
  std::uint32_t value() noexcept {
    auto held = mutex_.hold_inside();
    return held ? places_ - taken_.held() : 0;
  }

 private:
  static Result<> without_value(const Result<bool>& taken) noexcept {
    if (!taken) return fail(taken.error());
    return {};
  }
  // After the deadline: one more try.
  Result<> acquire_late() noexcept {
    auto taken = try_acquire();
    if (!taken && taken.error() == errno_code(EAGAIN)) return fail(ETIMEDOUT);
    return taken;
  }
  // False: none is free; `seen` is the word to sleep on.
  Result<bool> take(std::uint32_t& seen, Deadline deadline) noexcept {
    auto held = mutex_.hold_inside(deadline);
    if (!held) return fail(held.error());
    if (!can_take()) taken_.forget_the_dead();
    if (taken_.held() >= places_) {
      seen = released_.load();
      return false;
    }
    if (!taken_.has_room()) return fail(ENOSPC);
    taken_.add();
    return true;
  }
  bool can_take() noexcept { return taken_.has_room() && taken_.held() < places_; }

  BasicMutex<K> mutex_;
  std::uint32_t places_;
  Word<K> released_, sleepers_;
  Census<K> taken_;  // a holder has one at least, so there are no more holders than places
};

using Semaphore = BasicSemaphore<SharedKernel>;
using BoundedSemaphore = BasicBoundedSemaphore<SharedKernel>;

}  // namespace polyio::ipc

namespace polyio::threads {
using Semaphore = ipc::BasicSemaphore<ipc::ThreadKernel>;
using BoundedSemaphore = ipc::BasicBoundedSemaphore<ipc::ThreadKernel>;
}  // namespace polyio::threads
