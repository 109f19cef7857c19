// QueueProducers: which processes hold a producer's handle of a queue, so that its consumers are
// told the end of file when the last has gone, as a pipe's reader is, kill -9 included. The rule: a
// place counts only while its number of handles is not 0, which one store changes; all else is
// counted anew from the places by whoever holds the lock.
#pragma once

#include <array>
#include <polyio/ipc/mutex.hpp>

namespace polyio::ipc {

template <class K>
class QueueProducers {
 public:
  static constexpr std::size_t max_processes = 128;

  // The calling process has `handles` more. `anew`: not a fork's copies of some that count already.
  // Errors: ENOSPC, as many processes hold some as can be told.
  Result<> add(std::uint32_t handles, bool anew) noexcept {
    auto held = lock_.hold();
    if (!held) return fail(held.error());
    const os::ProcessId me = K::process();
    Place* place = place_of(me);
    if (!place) {
      for (Place& other : places_) {
        if (other.handles.load() != 0 && !K::alive(other.process)) other.handles.store(0);
      }
      place = place_of(me);
    }
    if (!place) return fail(ENOSPC);
    // First: whoever is killed between the two has come and gone.
    if (anew) came_.store(came_.load() + 1);
    if (place->handles.load() == 0) place->process = me;
    place->handles.store(place->handles.load() + handles);
    count();
    return {};
  }
  // One less. True: it was the last of all.
  bool remove() noexcept {
    auto held = lock_.hold();
    if (!held) return false;
    Place* const place = place_of(K::process());
    if (!place || place->handles.load() == 0) return false;
    place->handles.store(place->handles.load() - 1);
    count();
    return there_.load() == 0;
  }
  // Whether `expected` have come and none is left. Now and then, and at a cost of some 10 us, asks
  // whether one of them still runs.
  bool ended(std::uint32_t expected, Deadline deadline) noexcept {
    if (came_.load() < std::max(expected, 1u)) return false;
    const auto now = static_cast<std::uint64_t>(K::now().time_since_epoch().count());
    const std::uint64_t next = ask_again_.load(std::memory_order_relaxed);
    const auto span = static_cast<std::uint64_t>(Nanoseconds(recheck_every).count());
    const bool ask = now >= next || next > now + span;
    if (there_.load() != 0 && !ask) return false;
    auto held = lock_.hold(deadline);
    if (!held) return false;
    if (ask) {
      ask_again_.store(now + span, std::memory_order_relaxed);
      forget_the_dead();
    }
    count();
    return there_.load() == 0;
  }

 private:
  struct Place {
    os::ProcessId process;
    Word<K> handles;
  };

  // Where `process` counts, or may begin to.
  Place* place_of(const os::ProcessId& process) noexcept {
    Place* unused = nullptr;
    for (Place& place : places_) {
      const bool counts = place.handles.load(std::memory_order_relaxed) != 0;
      if (counts && place.process == process) return &place;
      if (!counts && !unused) unused = &place;
    }
    return unused;
  }
  // Until it finds one that lives: while there are some, one is asked about each time.
  void forget_the_dead() noexcept {
    const std::uint32_t start = alive_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < max_processes; ++i) {
      const std::uint32_t at = (start + i) % max_processes;
      if (places_[at].handles.load() == 0) continue;
      if (K::alive(places_[at].process)) {
        alive_.store(at, std::memory_order_relaxed);
        return;
      }
      places_[at].handles.store(0);
    }
  }
  void count() noexcept {
    std::uint32_t there = 0;
    for (const Place& place : places_) there += place.handles.load(std::memory_order_relaxed) != 0;
    there_.store(there);
  }

  BasicMutex<K> lock_;
  Word<K> came_, there_;
  Word<K> alive_;  // the place that lived when last asked
  Word<K, std::uint64_t> ask_again_;
  std::array<Place, max_processes> places_;
};

}  // namespace polyio::ipc
