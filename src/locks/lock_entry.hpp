// LockEntry: one stay inside a LockTable, with its mutex held: what is done to sessions, requests
// and queues. The rules: a request waits as long as it conflicts with what another session holds on
// the resource or with one ahead of it in the queue, but not with one that waits for what its own
// session holds there. Upgrades join the queue ahead of newcomers, and LockCycle puts some at the
// front. No stay ends with a request waiting that could be granted. A process killed in here leaves
// true slots and perhaps false chains: the next one rebuilds the chains, and grants what was about
// to be granted.
#pragma once

#include <algorithm>
#include <optional>

#include "lock_slots.hpp"

namespace polyio::ipc {

template <class K>
class LockEntry {
 public:
  using Slots = LockSlots<K>;
  using Session = typename Slots::Session;
  using Request = typename Slots::Request;

  explicit LockEntry(const Slots& slots) noexcept
      : slots_(slots), header_(slots.header()), held_(header_.mutex.hold_inside()) {
    if (held_ && held_->previous() == Previous::died) recover();
  }
  LockEntry(const LockEntry&) = delete;
  LockEntry& operator=(const LockEntry&) = delete;
  // Wakes sleepers only once they find the mutex free.
  ~LockEntry() {
    if (!held_) return;
    held_->unlock();
    for (std::size_t i = 0; i < woken_; ++i) K::wake(wakes_[i]->futex(), 1);
  }

  // False: the memory was found damaged, now or earlier.
  bool whole() const noexcept { return held_ && header_.broken.load(relaxed) == 0; }

  // --- sessions ---

  // nullptr: none is free.
  Session* begin(std::string_view name) noexcept {
    Session* session = free_session();
    if (!session) {
      reap_all();
      session = free_session();
    }
    if (!session) return nullptr;
    const os::ProcessId process = K::process();
    session->started.store(process.started, relaxed);
    session->pid.store(static_cast<std::uint32_t>(process.pid), relaxed);
    session->thread.store(K::self(), relaxed);
    session->doomed.store(0, relaxed);
    session->waiting.store(0, relaxed);
    session->first.store(0, relaxed);
    K::shared_step();
    session->name.fill(0);
    std::ranges::copy(name, session->name.begin());
    const std::uint64_t number = header_.next_session.load(relaxed) + 1;
    header_.next_session.store(number, relaxed);
    session->begun.store(number);
    return session;
  }
  // Lets go of all that it holds and wants.
  void release_all(Session& session) noexcept {
    each_of(session, [&](Request& request) {
      const Resource what = take_out(request);
      grant(what);
      return true;
    });
    session.doomed.store(0, relaxed);
  }
  void end(Session& session) noexcept {
    release_all(session);
    session.begun.store(0);
  }
  // Ends it if its process has died. Reads a file of /proc, but not for the caller's own process.
  bool reap(Session& session) noexcept {
    const os::ProcessId process{session.started.load(relaxed),
                                static_cast<pid_t>(session.pid.load(relaxed))};
    if (process == K::process() || K::alive(process)) return false;
    end(session);
    return true;
  }
  bool reap_all() noexcept {
    bool any = false;
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      Session& session = *slots_.session(i);
      if (session.begun.load(relaxed)) any |= reap(session);
    }
    return any;
  }

  // --- requests ---

  // What a session finds on a resource: its own request, and as bits the modes in its way.
  struct View {
    Request* own = nullptr;
    std::uint32_t held = 0, waiting = 0;  // by others
    std::uint32_t before_newcomers = 0;   // of those that wait
  };
  View look(const Session& session, const Resource& what) noexcept {
    View view;
    const std::uint32_t number = slots_.number(session);
    each_on(what, [&](Request& request) {
      if (request.session.load(relaxed) == number) {
        view.own = &request;
        return true;
      }
      const LockState state = state_of(request);
      view.held |= lock_mode::bit(state.granted);
      view.waiting |= lock_mode::bit(state.wanted);
      if (order(request) < newcomer) view.before_newcomers |= lock_mode::bit(state.wanted);
      return true;
    });
    return view;
  }
  void set(Request& request, LockState state) noexcept { request.state.store(state.packed()); }
  // Grants it to the session; `own`: its request on it so far. False: there is no room.
  bool have(Session& session, Request* own, const Resource& what, LockState state) noexcept {
    if (!own) return make(session, what, state) != nullptr;
    if (own->state.load(relaxed) != state.packed()) set(*own, state);
    return true;
  }
  // Puts the session into the queue. False: there is no room.
  bool wait(Session& session, Request* own, const Resource& what, LockState state) noexcept {
    if (own) {
      own->ticket.store(upgrade + next_ticket(), relaxed);
      set(*own, state);
    } else {
      own = make(session, what, state);
    }
    if (!own) return false;
    session.waiting.store(slots_.number(*own), relaxed);
    return true;
  }
  // The session no longer waits; it keeps what it holds.
  void withdraw(Session& session) noexcept {
    const std::uint32_t number = session.waiting.load(relaxed);
    if (!number) return;
    Request* const request = slots_.request(number);
    if (!request) return damaged();
    LockState state = state_of(*request);
    state.wanted = state.asked_then = LockMode::none;
    session.waiting.store(0, relaxed);
    put_down(*request, state);
  }
  // A session's table is held as strongly as it was asked for and its rows need, no more.
  void settle(Session& session, const Resource& table) noexcept {
    Request* const own = look(session, table).own;
    if (!own) return;
    LockState state = state_of(*own);
    LockMode enough = state.asked;
    if (state.wanted != LockMode::none) return;
    each_of(session, [&](Request& request) {
      if (enough == state.granted) return false;  // rows cannot need more than it has
      if (!request.what.is_row() || request.what.whole_table() != table) return true;
      const LockState row = state_of(request);
      enough = stronger_of(enough, lock_mode::intention(stronger_of(row.granted, row.wanted)));
      return true;
    });
    if (state.granted == enough) return;
    state.granted = enough;
    put_down(*own, state);
  }
  // Makes it weaker, or removes it, and grants what others may have now.
  void put_down(Request& request, LockState state) noexcept {
    const Resource what = request.what;
    if (state.granted == LockMode::none) {
      take_out(request);
    } else {
      set(request, state);
    }
    grant(what);
  }
  // Puts a request that waits at the front of its queue. What may be had now, grant() gives.
  void put_first(Request& request) noexcept {
    request.ticket.store(upgrade - next_ticket(), relaxed);
    K::shared_step();
  }
  // Grants the resource to those that may have it now, in the order of the queue.
  void grant(const Resource& what) noexcept {
    std::uint32_t ahead = 0;
    std::uint64_t last = 0;
    for (std::uint32_t n = 0; n <= slots_.limits().sessions; ++n) {
      Request* first = nullptr;
      std::array<std::uint32_t, lock_modes> holders{};
      each_on(what, [&](Request& request) {
        const LockState state = state_of(request);
        ++holders[static_cast<std::size_t>(state.granted)];
        if (state.wanted == LockMode::none || order(request) <= last) return true;
        if (!first || order(request) < order(*first)) first = &request;
        return true;
      });
      if (!first) return;
      last = order(*first);
      LockState state = state_of(*first);
      --holders[static_cast<std::size_t>(state.granted)];
      std::uint32_t in_the_way = ahead & ~lock_mode::conflicts(state.granted);
      for (std::uint32_t mode = 1; mode < lock_modes; ++mode) {
        if (holders[mode]) in_the_way |= 1u << mode;
      }
      if ((in_the_way & lock_mode::conflicts(state.wanted)) == 0) {
        give(*first, state);
      } else {
        ahead |= lock_mode::bit(state.wanted);
        // Only newcomers follow, and none gets past that.
        if (state.wanted == LockMode::X && last > newcomer) return;
      }
    }
  }

  // --- walks ---

  // Visits the requests on a resource until `visit` returns false. It may take out the visited one.
  template <class Visit>
  void each_on(const Resource& what, Visit visit) noexcept {
    each(slots_.bucket(what).load(relaxed), &Request::next,
         [&](Request& request) { return request.what == what ? visit(request) : true; });
  }
  template <class Visit>
  void each_of(Session& session, Visit visit) noexcept {
    each(session.first.load(relaxed), &Request::next_of_session, visit);
  }
  // Requests that wait for one resource are served in this order, smallest first.
  std::uint64_t order(const Request& request) const noexcept {
    return request.ticket.load(relaxed);
  }
  // The order of a request that joins the queue now.
  std::uint64_t place(LockState state) const noexcept {
    return state.granted == LockMode::none ? ~std::uint64_t{0} : newcomer - 1;
  }
  LockState state_of(const Request& request) noexcept {
    const LockState state = LockState::unpacked(request.state.load(relaxed));
    if (state.valid()) return state;
    damaged();
    return {};
  }
  // nullptr: the memory is damaged.
  Session* session_of(const Request& request) noexcept {
    Session* const session = slots_.session(request.session.load(relaxed));
    if (!session) damaged();
    return session;
  }
  // Makes the session look again, once the mutex is free.
  void wake(Session& session) noexcept {
    session.wake.fetch_add(1);
    if (woken_ == wakes_.size()) {
      K::wake(session.wake.futex(), 1);
    } else {
      wakes_[woken_++] = &session.wake;
    }
  }
  void damaged() noexcept { header_.broken.store(1); }

 private:
  // Tickets from here on; those put at the front have ever smaller ones than the first upgrade.
  static constexpr std::uint64_t upgrade = std::uint64_t{1} << 62, newcomer = upgrade * 2;

  template <class Next, class Visit>
  void each(std::uint32_t number, Next next, Visit visit) noexcept {
    for (std::uint32_t n = 0; number && whole(); ++n) {
      Request* const request = slots_.request(number);
      if (!request || n == slots_.limits().locks) return damaged();
      number = (request->*next).load(relaxed);
      if (!visit(*request)) return;
    }
  }
  // A new request. nullptr: the table is full.
  Request* make(Session& session, const Resource& what, LockState state) noexcept {
    if (!header_.free.load(relaxed)) reap_all();
    const std::uint32_t number = header_.free.load(relaxed);
    if (!number) return nullptr;
    Request* const request = slots_.request(number);
    if (!request || request->state.load(relaxed)) return damaged(), nullptr;
    header_.free.store(request->next.load(relaxed), relaxed);
    K::shared_step();
    request->what = what;
    request->session.store(slots_.number(session), relaxed);
    request->ticket.store(newcomer + next_ticket(), relaxed);
    set(*request, state);
    put_in(*request, session);
    return request;
  }
  std::uint64_t next_ticket() noexcept {
    const std::uint64_t ticket = header_.next_ticket.load(relaxed) + 1;
    header_.next_ticket.store(ticket, relaxed);
    return ticket;
  }
  Session* free_session() noexcept {
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      if (!slots_.session(i)->begun.load(relaxed)) return slots_.session(i);
    }
    return nullptr;
  }
  void give(Request& request, LockState state) noexcept {
    set(request, {state.wanted, LockMode::none, state.asked_then, LockMode::none});
    Session* const session = session_of(request);
    if (!session) return;
    session->waiting.store(0, relaxed);
    wake(*session);
  }

  // Into the chains, out of them.
  void put_in(Request& request, Session& session) noexcept {
    const std::uint32_t number = slots_.number(request);
    Word<K>& bucket = slots_.bucket(request.what);
    push(number, request, bucket, &Request::next, &Request::previous);
    push(number, request, session.first, &Request::next_of_session, &Request::previous_of_session);
  }
  Resource take_out(Request& request) noexcept {
    const Resource what = request.what;
    Session* const session = session_of(request);
    request.state.store(0);
    unlink(request, slots_.bucket(what), &Request::next, &Request::previous);
    if (session) {
      unlink(request, session->first, &Request::next_of_session, &Request::previous_of_session);
      const std::uint32_t number = slots_.number(request);
      if (session->waiting.load(relaxed) == number) session->waiting.store(0, relaxed);
    }
    request.next.store(header_.free.load(relaxed), relaxed);
    header_.free.store(slots_.number(request), relaxed);
    return what;
  }
  template <class Link>
  void push(std::uint32_t number, Request& request, Word<K>& head, Link next,
            Link previous) noexcept {
    const std::uint32_t second = head.load(relaxed);
    (request.*next).store(second, relaxed);
    (request.*previous).store(0, relaxed);
    if (second) {
      Request* const behind = slots_.request(second);
      if (!behind) return damaged();
      (behind->*previous).store(number, relaxed);
    }
    head.store(number, relaxed);
  }
  template <class Link>
  void unlink(Request& request, Word<K>& head, Link next, Link previous) noexcept {
    const std::uint32_t after = (request.*next).load(relaxed);
    const std::uint32_t before = (request.*previous).load(relaxed);
    Request* const behind = after ? slots_.request(after) : nullptr;
    Request* const ahead = before ? slots_.request(before) : nullptr;
    if ((after && !behind) || (before && !ahead)) return damaged();
    if (behind) (behind->*previous).store(before, relaxed);
    (ahead ? ahead->*next : head).store(after, relaxed);
  }

  // Rebuilds what a process killed in here may have left false.
  void recover() noexcept {
    for (std::uint32_t i = 0; i < slots_.buckets(); ++i) slots_.bucket(i).store(0, relaxed);
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      slots_.session(i)->first.store(0, relaxed);
      slots_.session(i)->waiting.store(0, relaxed);
    }
    header_.free.store(0, relaxed);
    for (std::uint32_t i = slots_.limits().locks; i > 0; --i) {
      Request& request = *slots_.request(i);
      if (!request.state.load(relaxed)) {
        request.next.store(header_.free.load(relaxed), relaxed);
        header_.free.store(i, relaxed);
        continue;
      }
      Session* const session = session_of(request);
      if (!session || !session->begun.load(relaxed)) return damaged();
      put_in(request, *session);
      if (state_of(request).wanted != LockMode::none) session->waiting.store(i, relaxed);
    }
    reap_all();
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      Session& session = *slots_.session(i);
      if (!session.begun.load(relaxed)) continue;
      if (session.doomed.load(relaxed)) withdraw(session);
      if (Request* const request = slots_.request(session.waiting.load(relaxed))) {
        grant(request->what);
      }
      wake(session);
    }
  }

  const Slots& slots_;
  LockHeader<K>& header_;
  Result<Hold<BasicMutex<K>>> held_;
  std::array<Word<K>*, 16> wakes_{};
  std::size_t woken_ = 0;
};

}  // namespace polyio::ipc
