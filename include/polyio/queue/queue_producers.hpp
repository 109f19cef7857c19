// QueueProducers: which processes hold a producer's handle of a queue. Consumers get the end of
// file when the last of them has gone, as a pipe's reader does, also by kill -9. The rule: the
// Census is the truth; the numbers beside it are counted anew from it by whichever process holds
// the lock.
#pragma once

#include <polyio/ipc/census.hpp>
#include <polyio/ipc/mutex.hpp>

namespace polyio::ipc {

template <class K>
class QueueProducers {
 public:
  static constexpr std::size_t max_processes = Census<K>::max_processes;

  // The calling process has `handles` more. `anew`: not a fork's copies of handles that are counted
  // already. Errors: ENOSPC, as many processes hold some as can be counted.
  Result<> add(std::uint32_t handles, bool anew) noexcept {
    auto held = lock_.hold_inside();
    if (!held) return fail(held.error());
    if (!handles_.has_room()) handles_.forget_the_dead();
    if (!handles_.has_room()) return fail(ENOSPC);
    // First: a process killed between the two has come and gone.
    if (anew) came_.store(came_.load() + 1);
    handles_.add(handles);
    count();
    return {};
  }
  // One less. True: it was the last of all.
  bool remove() noexcept {
    auto held = lock_.hold_inside();
    if (!held || !handles_.remove()) return false;
    count();
    return there_.load() == 0;
  }
  // Whether `expected` have come and none is left. Asks the system every recheck_every whether one
  // of them still runs, which costs some 10 us.
  bool ended(std::uint32_t expected, Deadline deadline) noexcept {
    if (came_.load() < std::max(expected, 1u)) return false;
    const auto now = static_cast<std::uint64_t>(K::now().time_since_epoch().count());
    const std::uint64_t next = ask_again_.load(std::memory_order_relaxed);
    const auto span = static_cast<std::uint64_t>(Nanoseconds(recheck_every).count());
    const bool ask = now >= next || next > now + span;
    if (there_.load() != 0 && !ask) return false;
    auto held = lock_.hold_inside(deadline);
    if (!held) return false;
    if (ask) {
      ask_again_.store(now + span, std::memory_order_relaxed);
      handles_.forget_the_dead_before_a_living();
    }
    count();
    return there_.load() == 0;
  }

 private:
  void count() noexcept { there_.store(handles_.holders()); }

  BasicMutex<K> lock_;
  Word<K> came_, there_;
  Word<K, std::uint64_t> ask_again_;
  Census<K> handles_;
};

}  // namespace polyio::ipc
