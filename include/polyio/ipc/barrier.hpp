// Barrier: a meeting point of a fixed number of parties, threads or processes; each waits until all
// have come. A party that is killed while it waits breaks the barrier: the others get an error
// within recheck_every instead of waiting for ever, as they do when one of them gives up at its
// deadline. One that ends between two rounds may be replaced: any thread may come in its place. If
// none does within replaced_within, that breaks it too.
#pragma once

#include <array>
#include <climits>
#include <polyio/base/assert.hpp>
#include <polyio/ipc/mutex.hpp>
#include <span>

namespace polyio::ipc {

template <class K>
class BasicBarrier {
 public:
  static constexpr std::uint32_t max_parties = 256;
  // How long those that wait miss a party that has ended between two rounds.
  static constexpr Nanoseconds replaced_within = recheck_every * 10;

  // Of 1 to max_parties parties.
  explicit BasicBarrier(std::uint32_t parties) noexcept : parties_(parties) {
    POLYIO_ASSERT(parties > 0 && parties <= max_parties);
  }
  // Returns once all have come: the caller's place in the order of arrival, from 0. Errors:
  // timed_out, which breaks the barrier; EOWNERDEAD, a party has ended, which breaks it too;
  // ECANCELED, another party broke or aborted it.
  Result<std::uint32_t> wait(Deadline deadline = never) noexcept {
    auto held = mutex_.hold_inside(deadline);
    if (!held) return fail(held.error());
    if (broken_.load()) return fail(ECANCELED);
    const std::uint32_t round = round_.load(), place = count();
    note(round);
    if (place + 1 == parties_) {
      cancelled_.store(cancelled_.load() & ~bit(round));
      round_.fetch_add(1);  // from here on this round's parties no longer count
      held->unlock();
      K::wake(round_.futex(), INT_MAX);
      return place;
    }
    const Deadline missed = deadline_after(K::now(), replaced_within);
    for (;;) {
      held->unlock();
      const bool late = K::sleep(round_.futex(), round, deadline);
      if (round_.load() != round) return place_or_cancelled(place, round);
      held = mutex_.hold_inside();
      if (!held) return fail(held.error());
      if (round_.load() != round) return place_or_cancelled(place, round);
      if (!late && all_to_come(round, K::now() >= missed)) continue;
      break_it();
      held->unlock();
      K::wake(round_.futex(), INT_MAX);
      return fail(late ? ETIMEDOUT : EOWNERDEAD);
    }
  }
  // Breaks it, for those that wait and those that come later.
  void abort() noexcept {
    {
      auto held = mutex_.hold_inside();
      break_it();
    }
    K::wake(round_.futex(), INT_MAX);
  }
  // Makes a broken one whole and empty. Parties that still wait get ECANCELED.
  void reset() noexcept {
    {
      auto held = mutex_.hold_inside();
      break_it();
      for (Party& party : seen()) party.thread.store(0);
      broken_.store(0);
    }
    K::wake(round_.futex(), INT_MAX);
  }
  bool broken() const noexcept { return broken_.load() != 0; }
  std::uint32_t parties() const noexcept { return parties_; }

 private:
  // A party, and the last round in which it came. `thread` is written last; 0: unused.
  struct Party {
    os::ProcessId process;
    Word<K> round, thread;
  };

  std::span<Party> seen() noexcept { return std::span(seen_).first(parties_); }
  std::span<const Party> seen() const noexcept { return std::span(seen_).first(parties_); }
  std::uint32_t count() const noexcept {
    const std::uint32_t round = round_.load();
    std::uint32_t here = 0;
    for (const Party& party : seen()) {
      here += party.thread.load(std::memory_order_relaxed) && party.round.load() == round;
    }
    return here;
  }
  // The calling thread has come.
  void note(std::uint32_t round) noexcept {
    Party& place = place_of_caller(round);
    place.thread.store(0);
    place.process = K::process();
    place.round.store(round);
    place.thread.store(K::self());
  }
  // Its own of earlier rounds, else a free one, else that of a party that has ended, else of the
  // one that has not come for longest: there is one, for fewer than all have come.
  Party& place_of_caller(std::uint32_t round) noexcept {
    for (Party& party : seen()) {
      const bool own = party.thread.load(std::memory_order_relaxed) == K::self();
      if (own && party.process == K::process()) return party;
    }
    constexpr std::uint64_t unused = UINT64_MAX, ended = unused - 1;
    Party* place = nullptr;
    std::uint64_t most = 0;
    for (Party& party : seen()) {
      std::uint64_t rank = unused;
      if (party.thread.load(std::memory_order_relaxed)) {
        rank = round - party.round.load();  // 0: it has come, and stays
        if (rank > 0 && !K::alive(party.process)) rank = ended;
      }
      if (rank > most) {
        most = rank;
        place = &party;
      }
    }
    POLYIO_ASSERT(place);
    return *place;
  }
  // Whether the round can still end well; `missed`: those that ended before it would have been
  // replaced by now.
  bool all_to_come(std::uint32_t round, bool missed) const noexcept {
    for (const Party& party : seen()) {
      if (!party.thread.load() || (!missed && party.round.load() != round)) continue;
      if (!K::alive(party.process)) return false;
    }
    return true;
  }
  void break_it() noexcept {
    broken_.store(1);
    cancelled_.store(cancelled_.load() | bit(round_.load()));
    round_.fetch_add(1);
  }
  Result<std::uint32_t> place_or_cancelled(std::uint32_t place, std::uint32_t round) noexcept {
    if (cancelled_.load() & bit(round)) return fail(ECANCELED);
    return place;
  }
  static std::uint32_t bit(std::uint32_t round) noexcept { return 1u << round % 32; }

  BasicMutex<K> mutex_;
  std::uint32_t parties_;
  Word<K> round_, broken_;
  Word<K> cancelled_;  // which of the last 32 rounds were
  std::array<Party, max_parties> seen_;
};

using Barrier = BasicBarrier<SharedKernel>;

}  // namespace polyio::ipc

namespace polyio::threads {
using Barrier = ipc::BasicBarrier<ipc::ThreadKernel>;
}  // namespace polyio::threads
