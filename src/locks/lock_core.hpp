// LockCore: a LockTable on given memory, for any kernel: the calls of a session. Each call enters,
// looks, and either is done or sleeps outside on its session's word until it is woken. Every
// recheck_every it looks again by itself, because the process that should have woken it, or that
// holds what it waits for, may have been killed.
#pragma once

#include "lock_cycle.hpp"

namespace polyio::ipc {

template <class K>
class LockCore {
 public:
  using Slots = LockSlots<K>;
  using Entry = LockEntry<K>;
  using Session = typename Entry::Session;
  using Request = typename Entry::Request;

  // A session as its owner knows it.
  struct Id {
    std::uint32_t slot = 0;
    std::uint64_t begun = 0;
  };
  // A lock that is being asked for. A row's begins with its table.
  struct Call {
    Call(const Resource& resource, LockMode wanted) noexcept
        : what(resource), mode(wanted), on_table(resource.is_row()) {}
    Resource what;
    LockMode mode;
    bool on_table;
  };

  explicit LockCore(const Slots& slots) noexcept : slots_(slots) {}

  Result<Id> begin(std::string_view name) noexcept {
    if (!Resource::valid_name(name)) return fail(EINVAL);
    Entry entry(slots_);
    Session* const session = entry.whole() ? entry.begin(name) : nullptr;
    if (!entry.whole()) return fail(ENOTRECOVERABLE);
    if (!session) return fail(EAGAIN);
    return Id{slots_.number(*session), session->begun.load(relaxed)};
  }
  // `deadlock` receives the cycle if the error is EDEADLK.
  Result<> lock(Id id, const Resource& what, LockMode mode, Deadline deadline, Deadlock* deadlock) {
    const bool known = what.is_row() ? mode == LockMode::S || mode == LockMode::X
                                     : mode != LockMode::none && mode <= LockMode::X;
    if (!known || !what.valid()) return fail(EINVAL);
    Call call(what, mode);
    bool late = deadline != never && K::now() >= deadline;
    for (;;) {
      Session* session = nullptr;
      std::uint32_t seen = 0;
      {
        Entry entry(slots_);
        auto mine = own(entry, id);
        if (!mine) return fail(mine.error());
        session = *mine;
        auto done = advance(entry, *session, call, late, deadlock);
        if (!done) return fail(done.error());
        if (*done) return {};
        seen = session->wake.load();
      }
      late = K::sleep(session->wake.futex(), seen, deadline);
    }
  }
  // One look of lock(): true, it has all of it; false, it must wait, which it does not if `late`.
  Result<bool> advance(Id id, Call& call, bool late, Deadlock* deadlock) {
    Entry entry(slots_);
    auto session = own(entry, id);
    if (!session) return fail(session.error());
    return advance(entry, **session, call, late, deadlock);
  }
  Result<> unlock(Id id, const Resource& what) noexcept {
    Entry entry(slots_);
    auto session = own(entry, id);
    if (!session) return fail(session.error());
    Request* const request = entry.look(**session, what).own;
    if (!request) return fail(entry.whole() ? EPERM : ENOTRECOVERABLE);
    LockState state = entry.state_of(*request);
    if (what.is_row() ? state.granted == LockMode::none : state.asked == LockMode::none) {
      return fail(EPERM);
    }
    if (what.is_row()) {
      entry.put_down(*request, {});
    } else {
      state.asked = LockMode::none;
      entry.set(*request, state);
    }
    entry.settle(**session, what.whole_table());
    forgive(**session);
    return whole(entry);
  }
  Result<> release_all(Id id) noexcept {
    Entry entry(slots_);
    auto session = own(entry, id);
    if (!session) return fail(session.error());
    entry.release_all(**session);
    return whole(entry);
  }
  Result<> end(Id id) noexcept {
    Entry entry(slots_);
    auto session = own(entry, id);
    if (!session) return fail(session.error());
    entry.end(**session);
    return whole(entry);
  }
  Result<LockMode> held(Id id, const Resource& what) noexcept {
    Entry entry(slots_);
    auto session = own(entry, id);
    if (!session) return fail(session.error());
    const Request* const request = entry.look(**session, what).own;
    return request ? entry.state_of(*request).granted : LockMode::none;
  }

 private:
  Result<Session*> own(Entry& entry, Id id) noexcept {
    if (!entry.whole()) return fail(ENOTRECOVERABLE);
    Session* const session = slots_.session(id.slot);
    if (!session || session->begun.load(relaxed) != id.begun ||
        session->pid.load(relaxed) != static_cast<std::uint32_t>(K::process().pid)) {
      return fail(EPERM);
    }
    return session;
  }
  static Result<> whole(const Entry& entry) noexcept {
    if (!entry.whole()) return fail(ENOTRECOVERABLE);
    return {};
  }
  // A session that has let go of everything has given way.
  static void forgive(Session& session) noexcept {
    if (session.doomed.load(relaxed) && !session.first.load(relaxed)) session.doomed.store(0);
  }

  Result<bool> advance(Entry& entry, Session& session, Call& call, bool late, Deadlock* deadlock) {
    auto done = go_on(entry, session, call, late);
    if (done) return done;
    if (done.error() == errno_code(ENOTRECOVERABLE)) return done;
    entry.withdraw(session);
    if (call.what.is_row()) entry.settle(session, call.what.whole_table());
    if (done.error() == errno_code(EDEADLK)) {
      if (deadlock) *deadlock = cycle_of(session);
      forgive(session);
    }
    return done;
  }
  Result<bool> go_on(Entry& entry, Session& session, Call& call, bool late) noexcept {
    LockCycle<K> cycle(slots_, entry);
    bool looked = false;
    // Every turn grants a table, ends a dead session or takes a place in the queue.
    for (std::uint32_t n = 0; n < slots_.limits().sessions + 4 && entry.whole(); ++n) {
      if (session.doomed.load(relaxed)) return fail(EDEADLK);
      const Resource what = call.on_table ? call.what.whole_table() : call.what;
      const LockMode mode = call.on_table ? lock_mode::intention(call.mode) : call.mode;
      const typename Entry::View view = entry.look(session, what);
      LockState state = view.own ? entry.state_of(*view.own) : LockState{};
      const bool queued = state.wanted != LockMode::none;
      if (!queued) {
        state.wanted = stronger_of(state.granted, mode);
        state.asked_then = call.on_table ? state.asked : stronger_of(state.asked, mode);
        const bool upgrade = state.granted != LockMode::none;
        const std::uint32_t queue = upgrade ? view.before_newcomers : view.waiting;
        // Those that wait for what it has can't go before it.
        const std::uint32_t ahead = view.held | (queue & ~lock_mode::conflicts(state.granted));
        if (state.wanted == state.granted || (ahead & lock_mode::conflicts(state.wanted)) == 0) {
          const LockState granted{state.wanted, LockMode::none, state.asked_then, LockMode::none};
          if (!entry.have(session, view.own, what, granted)) break;
          if (!call.on_table) return true;
          call.on_table = false;
          continue;
        }
      }
      if (!looked) {
        looked = true;
        const std::uint64_t order = queued ? entry.order(*view.own) : entry.place(state);
        if (cycle.reap_in_the_way(session, what, state, order)) continue;
      }
      // What only others in the queue keep it from, it may yet have before them.
      const bool held = (view.held & lock_mode::conflicts(state.wanted)) != 0;
      if (late && (queued || held)) return fail(ETIMEDOUT);
      if (!queued && !entry.wait(session, view.own, what, state)) break;
      cycle.resolve(session);
      if (session.waiting.load(relaxed)) {
        if (late) return fail(ETIMEDOUT);
        return false;
      }
      looked = false;
    }
    return fail(entry.whole() ? ENOLCK : ENOTRECOVERABLE);
  }
  static Deadlock cycle_of(const Session& session) {
    Deadlock deadlock;
    deadlock.length = session.cycle_length.load(relaxed);
    const std::size_t links = std::min(deadlock.length, Deadlock::longest);
    K::shared_step();
    deadlock.cycle.assign(session.cycle.begin(), session.cycle.begin() + links);
    deadlock.victim = session.begun.load(relaxed);
    return deadlock;
  }

  Slots slots_;
};

}  // namespace polyio::ipc
