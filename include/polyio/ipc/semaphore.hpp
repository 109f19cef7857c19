// Semaphore counts; BoundedSemaphore has places that belong to who took them. A Semaphore is a
// signal: anybody may release, and what a killed process had acquired is gone with it. A
// BoundedSemaphore is a resource: its places are counted per process, only their holder gives them
// back, and those of a killed process are free again (after recheck_every at the latest). No system
// call but to sleep and to wake one who sleeps.
#pragma once

#include <algorithm>
#include <array>
#include <polyio/ipc/mutex.hpp>
#include <span>

namespace polyio::ipc {

template <class K>
class BasicSemaphore {
 public:
  static constexpr std::uint32_t max = 0x7fffffff;  // SEM_VALUE_MAX

  explicit BasicSemaphore(std::uint32_t value = 1) noexcept : count_(std::min(value, max)) {}
  // Takes one; waits while there is none. Errors: timed_out.
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
  static constexpr std::size_t max_processes = 128;

  // With `places` of them.
  explicit BasicBoundedSemaphore(std::uint32_t places = 1) noexcept : places_(places) {}
  // Takes a place; waits while all are taken, by living processes. Errors: timed_out.
  Result<> acquire(Deadline deadline = never) noexcept {
    for (;;) {
      std::uint32_t seen = 0;
      if (auto taken = take(seen, deadline); !taken || *taken) return wipe(taken);
      sleepers_.fetch_add(1);
      const bool late = K::sleep(released_.futex(), seen, deadline);
      sleepers_.fetch_sub(1);
      if (late) return try_acquire_late();
    }
  }
  // Without waiting. Errors: EAGAIN.
  Result<> try_acquire() noexcept {
    std::uint32_t seen = 0;
    auto taken = take(seen, never);
    if (taken && !*taken) return fail(EAGAIN);
    return wipe(taken);
  }
  // Gives back a place of the calling process. Errors: EPERM, it has none: released too often.
  Result<> release() noexcept {
    auto held = mutex_.hold();
    if (!held) return fail(held.error());
    const os::ProcessId me = K::process();
    for (Holder& holder : holders()) {
      if (holder.process != me || holder.count.load() == 0) continue;
      holder.count.fetch_sub(1);
      released_.fetch_add(1);
      held->unlock();
      if (sleepers_.load() > 0) K::wake(released_.futex(), 1);
      return {};
    }
    return fail(EPERM);
  }
  // Places free, those of processes that have been killed not counted before somebody wants one.
  std::uint32_t value() noexcept {
    auto held = mutex_.hold();
    return held ? places_ - taken() : 0;
  }

 private:
  // How many a process has. A holder counts only while `count` is not 0, and that is changed in one
  // step: so a process killed in here leaves nothing half done.
  struct Holder {
    os::ProcessId process;
    Word<K> count;
  };

  // Whoever holds has one at least, so there are not more of them than places.
  std::span<Holder> holders() noexcept {
    return std::span(holders_).first(std::min<std::size_t>(places_, max_processes));
  }
  std::span<const Holder> holders() const noexcept {
    return std::span(holders_).first(std::min<std::size_t>(places_, max_processes));
  }
  static Result<> wipe(const Result<bool>& taken) noexcept {
    if (!taken) return fail(taken.error());
    return {};
  }
  Result<> try_acquire_late() noexcept {
    auto taken = try_acquire();
    if (!taken && taken.error() == errno_code(EAGAIN)) return fail(ETIMEDOUT);
    return taken;
  }
  // False: none is free; `seen` is the word to sleep on.
  Result<bool> take(std::uint32_t& seen, Deadline deadline) noexcept {
    auto held = mutex_.hold(deadline);
    if (!held) return fail(held.error());
    Holder* mine = place_of(K::process());
    if (!mine || taken() >= places_) {
      free_the_dead();
      mine = place_of(K::process());
    }
    if (!mine || taken() >= places_) {
      seen = released_.load();
      return false;
    }
    if (mine->count.load() == 0) mine->process = K::process();
    mine->count.fetch_add(1);
    return true;
  }
  std::uint32_t taken() const noexcept {
    std::uint32_t sum = 0;
    for (const Holder& holder : holders()) sum += holder.count.load(std::memory_order_relaxed);
    return sum;
  }
  // Where `process` counts, or may begin to; nullptr: as many processes hold places as can be told.
  Holder* place_of(const os::ProcessId& process) noexcept {
    Holder* unused = nullptr;
    for (Holder& holder : holders()) {
      const bool counts = holder.count.load(std::memory_order_relaxed) != 0;
      if (counts && holder.process == process) return &holder;
      if (!counts && !unused) unused = &holder;
    }
    return unused;
  }
  void free_the_dead() noexcept {
    for (Holder& holder : holders()) {
      if (holder.count.load() != 0 && !K::alive(holder.process)) holder.count.store(0);
    }
  }

  BasicMutex<K> mutex_;
  std::uint32_t places_;
  Word<K> released_, sleepers_;
  std::array<Holder, max_processes> holders_;
};

using Semaphore = BasicSemaphore<SharedKernel>;
using BoundedSemaphore = BasicBoundedSemaphore<SharedKernel>;

}  // namespace polyio::ipc

namespace polyio::threads {
using Semaphore = ipc::BasicSemaphore<ipc::ThreadKernel>;
using BoundedSemaphore = ipc::BasicBoundedSemaphore<ipc::ThreadKernel>;
}  // namespace polyio::threads
