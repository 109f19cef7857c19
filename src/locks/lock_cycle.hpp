// Deadlocks of a LockTable: which sessions wait for which, and which gives way. A session waits for
// those whose locks conflict with what it wants, and for those ahead in its queue that want
// something conflicting and do not wait for what it has there itself. A cycle can arise only when a
// session begins to wait, and goes through that one: it is searched from there, breadth first, so
// that the shortest is found and named.
//
// A cycle of locks alone is a deadlock: none of them can be granted in any order. Where no such
// cycle is, sessions can be put into an order in which each comes after those whose locks it waits
// for, and if the queues follow it, there is no cycle at all. So what is left when all deadlocks
// have ended is untangled: some requests go to the front of their queues.
#pragma once

#include <array>
#include <span>

#include "lock_entry.hpp"

namespace polyio::ipc {

template <class K>
class LockCycle {
 public:
  using Entry = LockEntry<K>;
  using Session = typename Entry::Session;
  using Request = typename Entry::Request;

  LockCycle(const LockSlots<K>& slots, Entry& entry) noexcept : slots_(slots), entry_(entry) {}

  // Visits the sessions that `session` would wait for on `what`, with what it has and wants there
  // at the place `order` of the queue, until `visit` returns false. Its second argument: the lock
  // of that one is in the way, not just its request ahead in the queue.
  template <class Visit>
  void each_blocker(const Session& session, const Resource& what, LockState state,
                    std::uint64_t order, Visit visit) noexcept {
    const std::uint32_t number = slots_.number(session);
    entry_.each_on(what, [&](Request& request) {
      const std::uint32_t other = request.session.load(relaxed);
      const Way way = other == number ? Way::free : way_past(request, state, order);
      if (way == Way::free) return true;
      Session* const blocker = entry_.session_of(request);
      return blocker && visit(*blocker, way == Way::locked);
    });
  }
  // Ends the sessions in the way whose process has died. True: there was one.
  bool reap_in_the_way(const Session& session, const Resource& what, LockState state,
                       std::uint64_t order) noexcept {
    std::size_t count = 0;
    each_blocker(session, what, state, order, [&](Session& blocker, bool) {
      sessions_[count++] = static_cast<std::uint16_t>(slots_.number(blocker));
      return count < sessions_.size();
    });
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) any |= entry_.reap(*slots_.session(sessions_[i]));
    return any;
  }
  bool in_cycle(const Session& session) noexcept { return find(session, any_age, false) != 0; }
  // For a session that waits: makes sessions give way, and others go before it or it before others,
  // until it is in no cycle any more.
  void resolve(Session& session) noexcept {
    for (std::uint32_t n = 0; n <= slots_.limits().sessions && entry_.whole(); ++n) {
      if (!in_cycle(session)) return;
      // All cycles go through this session: where it is the youngest, it alone gives way.
      std::size_t length = find(session, session.begun.load(relaxed), true);
      if (length == 0) length = find(session, any_age, true);
      if (length == 0) return untangle(session);
      bool dead = false;
      for (std::size_t i = 0; i < length; ++i) dead |= entry_.reap(*slots_.session(sessions_[i]));
      if (dead) continue;
      std::size_t youngest = 0;
      for (std::size_t i = 1; i < length; ++i) {
        if (begun(sessions_[i]) > begun(sessions_[youngest])) youngest = i;
      }
      doom(youngest, length);
    }
  }

 private:
  static constexpr std::uint64_t any_age = ~std::uint64_t{0};

  // Of a session that is untangled; from `placed` on it has a place.
  enum class Mark : std::uint8_t { none, reached, placed, overtakes };
  enum class Way : std::uint8_t { free, queued, locked };
  Way way_past(const Request& request, LockState state, std::uint64_t order) noexcept {
    const LockState other = entry_.state_of(request);
    if (!compatible(other.granted, state.wanted)) return Way::locked;
    const bool ahead = !compatible(other.wanted, state.wanted) &&
                       compatible(other.wanted, state.granted) && entry_.order(request) < order;
    return ahead ? Way::queued : Way::free;
  }
  std::uint64_t begun(std::uint16_t session) noexcept {
    return slots_.session(session)->begun.load(relaxed);
  }
  Request* request_of(const Session& session) noexcept {
    return slots_.request(session.waiting.load(relaxed));
  }
  // The same for a session that may wait; for none if it does not.
  template <class Visit>
  void each_blocker(std::uint16_t number, Visit visit) noexcept {
    const Session& session = *slots_.session(number);
    const Request* const request = request_of(session);
    if (!request) return;
    const LockState state = entry_.state_of(*request);
    each_blocker(session, request->what, state, entry_.order(*request), visit);
  }
  // A cycle through `start` and others no younger than `youngest`, in sessions_: each waits for the
  // next, with `locks_only` for a lock it has. Returns its length, 0: there is none.
  std::size_t find(const Session& start, std::uint64_t youngest, bool locks_only) noexcept {
    const auto first = static_cast<std::uint16_t>(slots_.number(start));
    std::array<std::uint16_t, LockTableLimits::max_sessions + 1> reached_from{};
    std::size_t count = 0;
    sessions_[count++] = first;
    reached_from[first] = first;
    for (std::size_t i = 0; i < count; ++i) {
      bool closed = false;
      each_blocker(sessions_[i], [&](Session& blocker, bool locked) {
        const auto number = static_cast<std::uint16_t>(slots_.number(blocker));
        if (locks_only && !locked) return true;
        if (number == first) {
          closed = true;
        } else if (!reached_from[number] && blocker.begun.load(relaxed) <= youngest) {
          reached_from[number] = sessions_[i];
          sessions_[count++] = number;
        }
        return !closed;
      });
      if (closed) return trace_back(reached_from, sessions_[i], first);
    }
    return 0;
  }
  std::size_t trace_back(const std::array<std::uint16_t, LockTableLimits::max_sessions + 1>& from,
                         std::uint16_t last, std::uint16_t first) noexcept {
    std::size_t length = 0;
    for (std::uint16_t at = last; at != first; at = from[at]) sessions_[length++] = at;
    sessions_[length++] = first;
    std::reverse(sessions_.begin(), sessions_.begin() + static_cast<std::ptrdiff_t>(length));
    return length;
  }
  // Makes the session at `victim` give way. It no longer waits; it lets go of its locks itself,
  // because only it knows what is half done.
  void doom(std::size_t victim, std::size_t length) noexcept {
    std::rotate(sessions_.begin(), sessions_.begin() + static_cast<std::ptrdiff_t>(victim),
                sessions_.begin() + static_cast<std::ptrdiff_t>(length));
    Session& doomed = *slots_.session(sessions_[0]);
    for (std::size_t i = 0; i < std::min<std::size_t>(length, Deadlock::longest); ++i) {
      K::shared_step();
      doomed.cycle[i] = link(*slots_.session(sessions_[i]),
                             *slots_.session(sessions_[(i + length - 1) % length]));
    }
    doomed.cycle_length.store(static_cast<std::uint32_t>(length), relaxed);
    doomed.doomed.store(1);  // from here on it is, whatever happens to the caller
    entry_.withdraw(doomed);
    entry_.wake(doomed);
  }
  DeadlockLink link(const Session& session, const Session& before) noexcept {
    DeadlockLink link;
    link.name = session.name;
    link.pid = static_cast<std::int32_t>(session.pid.load(relaxed));
    link.thread = session.thread.load(relaxed);
    link.session = session.begun.load(relaxed);
    if (const Request* const wants = request_of(session)) {
      link.waits_for = wants->what;
      link.waits_mode = entry_.state_of(*wants).wanted;
    }
    const Request* const other = request_of(before);
    const Request* const has = other ? entry_.look(session, other->what).own : nullptr;
    if (has) {
      link.holds = has->what;
      link.holds_mode = entry_.state_of(*has).granted;
    }
    return link;
  }

  // Where queues alone make cycles through `start`: places the sessions that it waits for, directly
  // or over others, one after the other, each after all it waits for itself. Where none is left of
  // which that is so, one overtakes: a session that waits for no lock of those without a place, in
  // the way of which are only requests ahead in its queue. Each of these waits for it, over others:
  // so a request is overtaken only by sessions that have to go on before it can. `start` itself
  // is preferred, because all cycles end with that, then the oldest.
  // It costs, with the table's mutex held, about three times the search that found the cycle, again
  // for each further one that overtakes: 0.2 ms where 64 sessions wait in one queue, 3 ms for 256,
  // 55 ms for 1,024.
  void untangle(const Session& start) noexcept {
    const auto first = static_cast<std::uint16_t>(slots_.number(start));
    marks_.fill(Mark::none);
    placed_ = 0;
    while (marks_[first] < Mark::placed) {
      const std::size_t count = reach(first);
      for (bool any = true; any;) {
        any = false;
        for (std::size_t i = count; i-- > 0;) {
          if (marks_[sessions_[i]] != Mark::reached || !can_go(sessions_[i], false)) continue;
          place(sessions_[i], Mark::placed);
          any = true;
        }
      }
      if (marks_[first] >= Mark::placed) break;
      const std::uint16_t overtaker = can_go(first, true) ? first : oldest_that_can_go(count);
      if (!overtaker) return;  // a killed process left a deadlock: the sessions in it find it
      place(overtaker, Mark::overtakes);
    }
    reorder();
  }
  // Those that `first` waits for over others that have no place, in sessions_. Returns how many.
  std::size_t reach(std::uint16_t first) noexcept {
    std::ranges::replace(marks_, Mark::reached, Mark::none);
    std::size_t count = 0;
    const auto add = [&](std::uint16_t number) {
      marks_[number] = Mark::reached;
      sessions_[count++] = number;
    };
    add(first);
    for (std::size_t i = 0; i < count; ++i) {
      each_blocker(sessions_[i], [&](Session& blocker, bool) {
        const auto number = static_cast<std::uint16_t>(slots_.number(blocker));
        if (marks_[number] == Mark::none) add(number);
        return true;
      });
    }
    return count;
  }
  // Whether all that it waits for have their places, with `locks_only` those whose locks it waits
  // for.
  bool can_go(std::uint16_t session, bool locks_only) noexcept {
    bool can = true;
    each_blocker(session, [&](Session& blocker, bool locked) {
      can = (locks_only && !locked) || marks_[slots_.number(blocker)] >= Mark::placed;
      return can;
    });
    return can;
  }
  std::uint16_t oldest_that_can_go(std::size_t count) noexcept {
    std::uint16_t oldest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint16_t session = sessions_[i];
      if (marks_[session] != Mark::reached || !can_go(session, true)) continue;
      if (!oldest || begun(session) < begun(oldest)) oldest = session;
    }
    return oldest;
  }
  void place(std::uint16_t session, Mark mark) noexcept {
    marks_[session] = mark;
    places_[placed_++] = session;
  }
  // Moves those that overtake to the front of their queues, behind those placed before them there.
  // Sessions without a place then wait for more of those with one, but none of these for them.
  void reorder() noexcept {
    const std::span<const std::uint16_t> placed(places_.data(), placed_);
    for (std::size_t i = placed_; i-- > 0;) {
      Request* const request = request_of(*slots_.session(placed[i]));
      const auto overtakes_here = [&](std::uint16_t session) {
        const Request* const other = request_of(*slots_.session(session));
        return marks_[session] == Mark::overtakes && other && other->what == request->what;
      };
      if (request && std::ranges::any_of(placed.subspan(i), overtakes_here)) {
        entry_.put_first(*request);
      }
    }
    for (const std::uint16_t session : placed) {
      if (marks_[session] != Mark::overtakes) continue;
      const Request* const request = request_of(*slots_.session(session));
      if (request) entry_.grant(Resource(request->what));
    }
  }

  const LockSlots<K>& slots_;
  Entry& entry_;
  std::array<std::uint16_t, LockTableLimits::max_sessions> sessions_, places_;
  std::array<Mark, LockTableLimits::max_sessions + 1> marks_;
  std::size_t placed_ = 0;  // of places_
};

}  // namespace polyio::ipc
