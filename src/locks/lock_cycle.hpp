// Deadlocks of a LockTable: which sessions wait for which, and which gives way. A session waits for
// those whose locks conflict with what it wants, and for those that asked earlier for something
// conflicting and do not wait for what it has there itself: before those it goes. A cycle can arise
// only when a session begins to wait, and goes through that one: it is searched from there, breadth
// first, so that the shortest is found and named.
#pragma once

#include <array>

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
  // at the place `order` of the queue, until `visit` returns false.
  template <class Visit>
  void each_blocker(const Session& session, const Resource& what, LockState state,
                    std::uint64_t order, Visit visit) noexcept {
    const std::uint32_t number = slots_.number(session);
    entry_.each_on(what, [&](Request& request) {
      const std::uint32_t other = request.session.load(relaxed);
      if (other == number || !blocks(request, state, order)) return true;
      Session* const blocker = entry_.session_of(request);
      return blocker && visit(*blocker);
    });
  }
  // Ends the sessions in the way whose process has died. True: there was one.
  bool reap_in_the_way(const Session& session, const Resource& what, LockState state,
                       std::uint64_t order) noexcept {
    std::size_t count = 0;
    each_blocker(session, what, state, order, [&](Session& blocker) {
      sessions_[count++] = static_cast<std::uint16_t>(slots_.number(blocker));
      return count < sessions_.size();
    });
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) any |= entry_.reap(*slots_.session(sessions_[i]));
    return any;
  }
  bool in_cycle(const Session& session) noexcept { return find(session, any_age) != 0; }
  // For a session that waits: makes sessions give way until it is in no cycle any more.
  void resolve(Session& session) noexcept {
    for (std::uint32_t n = 0; n <= slots_.limits().sessions && entry_.whole(); ++n) {
      // All cycles go through this session: where it is the youngest, it alone gives way.
      std::size_t length = find(session, session.begun.load(relaxed));
      if (length == 0) length = find(session, any_age);
      if (length == 0) return;
      bool dead = false;
      for (std::size_t i = 0; i < length; ++i) dead |= entry_.reap(*slots_.session(sessions_[i]));
      if (dead) continue;
      std::size_t youngest = 0;
      for (std::size_t i = 1; i < length; ++i) {
        if (begun(i) > begun(youngest)) youngest = i;
      }
      doom(youngest, length);
    }
  }

 private:
  static constexpr std::uint64_t any_age = ~std::uint64_t{0};

  bool blocks(const Request& request, LockState state, std::uint64_t order) noexcept {
    const LockState other = entry_.state_of(request);
    return !compatible(other.granted, state.wanted) ||
           (!compatible(other.wanted, state.wanted) && compatible(other.wanted, state.granted) &&
            entry_.order(request) < order);
  }
  std::uint64_t begun(std::size_t i) noexcept {
    return slots_.session(sessions_[i])->begun.load(relaxed);
  }
  Request* request_of(const Session& session) noexcept {
    return slots_.request(session.waiting.load(relaxed));
  }
  // A cycle through `start` and others no younger than `youngest`, in sessions_: each waits for the
  // next. Returns its length, 0: there is none.
  std::size_t find(const Session& start, std::uint64_t youngest) noexcept {
    const auto first = static_cast<std::uint16_t>(slots_.number(start));
    std::array<std::uint16_t, LockTableLimits::max_sessions + 1> reached_from{};
    std::size_t count = 0;
    sessions_[count++] = first;
    reached_from[first] = first;
    for (std::size_t i = 0; i < count; ++i) {
      Session& session = *slots_.session(sessions_[i]);
      const Request* const request = request_of(session);
      if (!request) continue;
      bool closed = false;
      const LockState state = entry_.state_of(*request);
      each_blocker(session, request->what, state, entry_.order(*request), [&](Session& blocker) {
        const auto number = static_cast<std::uint16_t>(slots_.number(blocker));
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
      const LockState state = entry_.state_of(*has);
      link.holds = has->what;
      link.queued = compatible(state.granted, entry_.state_of(*other).wanted);
      link.holds_mode = link.queued ? state.wanted : state.granted;
    }
    return link;
  }

  const LockSlots<K>& slots_;
  Entry& entry_;
  std::array<std::uint16_t, LockTableLimits::max_sessions> sessions_;
};

}  // namespace polyio::ipc
