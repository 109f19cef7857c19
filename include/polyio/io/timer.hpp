// Timers: one heap per Io, in user space, for every driver alike. A Timer is part of what waits (a
// sleep, a cancel scope), so arming allocates nothing but heap room. Moving a deadline later costs
// one store: the heap entry stays and is put right when it comes up. Not thread-safe.
#pragma once

#include <cstdint>
#include <polyio/base/clock.hpp>
#include <vector>

namespace polyio {

struct Timer {
  using Fire = void (*)(Timer&);
  explicit Timer(Fire on_fire) noexcept : fire(on_fire) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  Fire fire;  // called once per arming, at or after `deadline`; it may arm the timer again
  Deadline deadline = never;
  std::uint32_t index = unarmed;  // in the heap
  static constexpr std::uint32_t unarmed = UINT32_MAX;
};

class TimerHeap {
 public:
  // Arms `timer` for `deadline`, or moves it. O(log n); O(1) when it moves later. True: next() is
  // sooner than before.
  bool arm(Timer& timer, Deadline deadline);
  // Takes it out. No effect when it is not armed.
  void disarm(Timer& timer) noexcept;
  // When to look again, never later than the earliest deadline; `never` when empty.
  Deadline next() const noexcept { return heap_.empty() ? never : heap_.front().at; }
  // Fires all that are due at `now`.
  void fire_due(TimePoint now);
  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    Deadline at;
    Timer* timer;
  };
  void place(std::size_t index, Entry entry) noexcept;
  void sift_up(std::size_t index, Entry entry) noexcept;
  void sift_down(std::size_t index, Entry entry) noexcept;
  std::vector<Entry> heap_;
};

}  // namespace polyio
