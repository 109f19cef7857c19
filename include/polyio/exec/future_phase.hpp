// FuturePhase: how far a future's work has come, and whether anything waits for its end. One word,
// so that of all that would begin, cancel or end it one succeeds. The rule: the outcome is written
// by whoever owns it, before end(); what waits is on a list under a mutex, and has marked the word
// under that mutex, so that end() knows whether the list has to be looked at.
#pragma once

#include <cstdint>
#include <polyio/exec/thread_sync.hpp>

namespace polyio::detail {

template <class Sync = ThreadSync>
class FuturePhase {
 public:
  static constexpr std::uint32_t pending = 0, running = 1, claimed = 2, ended = 3;

  std::uint32_t now(std::memory_order order = std::memory_order_acquire) const noexcept {
    return word_.load(order) & phases;
  }
  // From one phase to another. False: it is in a different one.
  bool move(std::uint32_t from, std::uint32_t to) noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    do {
      if ((word & phases) != from) return false;
    } while (!word_.compare_exchange_weak(word, (word & ~phases) | to, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return true;
  }
  // To `claimed`, whether it has begun or not: the right to write the outcome. False: another has
  // it.
  bool claim() noexcept {
    return move(running, claimed) || move(pending, claimed) ||
           move(running, claimed);  // begun between the two
  }
  // The outcome is there. True: something waits for it. By the one that has claimed it, or that
  // began it where nothing else claims what has begun.
  bool end() noexcept { return word_.exchange(ended, std::memory_order_acq_rel) & waited_for; }
  // The same where nothing else can wait.
  void end_alone() noexcept { word_.store(ended, std::memory_order_release); }
  // Under the mutex. True: it has ended; false: its end() will be true.
  bool ended_or_marked() noexcept {
    return (word_.fetch_or(waited_for, std::memory_order_acq_rel) & phases) == ended;
  }
  const typename Sync::template Word<std::uint32_t>& word() const noexcept { return word_; }

 private:
  static constexpr std::uint32_t phases = 3, waited_for = 4;
  typename Sync::template Word<std::uint32_t> word_ = pending;
};

}  // namespace polyio::detail
