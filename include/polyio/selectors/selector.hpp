// Selector: waits for many descriptors at once and says which are ready, whichever system call does
// the waiting. The contract is that of Python's `selectors` module (Lib/selectors.py), errors being
// values. The rule it keeps: a caller can't tell the mechanisms apart except where the kernel
// leaves no way round, and those places are named here.
//
//   auto selector = default_selector();
//   if (auto key = selector->register_fd(fd, event_read, token); !key) return fail(key.error());
//   std::array<SelectorEvent, 64> events;
//   auto reported = selector->select(events, 5ms);   // Result<std::size_t>, nothing is allocated
//
// What is decided, for every mechanism alike:
// - Timeout. std::nullopt waits for ever, zero or less looks without waiting, more is the longest
//   wait. It is kept to the nanosecond and rounded up where a kernel only counts milliseconds:
//   select() never answers "nothing" early, except for a signal. With nothing registered, or only
//   closed fds, it waits all the same.
// - Signals. A handler that runs during the wait ends it: select() succeeds with no events
//   (EINTR). Python waits on since 3.5 (PEP 475), but there a handler can raise to end the wait;
//   here the caller gets its turn to see what the handler did.
// - An fd has one registration in a selector: a second register_fd() is refused (EEXIST). modify()
//   to no events is refused (EINVAL): unregister() says that. modify() of the data alone is like
//   any other. When modify() fails nothing has changed; Python would have unregistered.
// - An fd closed while registered is not reported, and neither breaks nor spins select() for the
//   others. Its registration stays: register_fd() says EEXIST, modify() EBADF, unregister()
//   succeeds. A wait already going on is not ended by the close. The exception: while a duplicate
//   (dup(2), fork(2)) keeps the open file, epoll goes on telling it until unregister(); from then
//   on, never.
// - An fd number closed and used again: unregister(), then register_fd(); or modify(), which
//   takes the file that has the number now. Before either, epoll and sigio wait for the old file,
//   kqueue for neither, poll, select, devpoll and nonblocking maybe for the new one. No event of an
//   old registration is ever reported under a newer one, and unregister() does nothing to the new
//   file.
// - close() while select() goes on, in another thread: not allowed, like any other call. End the
//   wait first. Events and keys already reported are copies, and stay.
// - An event may be stale by the time it is looked at: handling one can close the fd of the next.
//   From nonblocking every event is only a guess.
// - Hang-up and error are reported as whichever of READ and WRITE was asked for, so that the read
// or
//   write that follows reports it; poll, devpoll, epoll and sigio also set event_hang_up and
//   event_error. kqueue and select have no such flags, and select does not report a hang-up for
//   WRITE alone.
// - Edge-triggered (epoll-et, kqueue-et, sigio): readiness is reported once, when it begins (or is
//   there already at register_fd() or modify()); read or write to EAGAIN before waiting for the
//   next. A new edge in one direction may tell the other again, so an event is a hint.
// - Regular files: always ready with poll, select, devpoll and nonblocking, with kqueue for writing
//   and until their end; epoll and sigio refuse them (EPERM).
// - The limit of descriptors lowered (RLIMIT_NOFILE): what is open is waited for all the same; but
//   poll, sigio and devpoll, which count as poll(2) does, say EINVAL for more registered than the
//   limit.
//
// Thread-safety: none, one thread at a time. To end a wait from another thread, register the fd of
// an os::Wakeup. After fork(2) an epoll selector is shared with the child, and so is what a signal
// selector has set on the files: make a new one there, and don't touch the old.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <span>
#include <utility>
#include <vector>

namespace polyio {

// A set of the bits below.
using Events = std::uint32_t;
inline constexpr Events event_read = 1;     // recv(2), accept(2)... would not block
inline constexpr Events event_write = 2;    // send(2)... would not block, or connect(2) has ended
inline constexpr Events event_hang_up = 4;  // reported only, never asked for: POLLHUP
inline constexpr Events event_error = 8;    // reported only, never asked for: POLLERR

// One registration. Python's `fileobj` is `fd` here; what the descriptor means to its owner is
// `data`: any 64 bits (slot and generation, say; a bare pointer may dangle when an event is stale).
struct SelectorKey {
  int fd = -1;
  Events events = 0;  // what was asked for
  std::uint64_t data = 0;
  bool operator==(const SelectorKey&) const = default;
};

// What select() tells: the registration, and the bits of it that are ready, plus flags.
struct SelectorEvent {
  SelectorKey key;
  Events mask = 0;
};

using Timeout = std::optional<Nanoseconds>;  // std::nullopt: for ever
inline constexpr Timeout no_wait = Nanoseconds::zero();

// The timeout that ends at `deadline`, seen from `now`; `never` waits for ever.
constexpr Timeout timeout_until(Deadline deadline, TimePoint now) noexcept {
  if (deadline == never) return std::nullopt;
  return deadline > now ? Timeout(deadline - now) : no_wait;
}

enum class Trigger : bool { level, edge };

class Selector {
 public:
  Selector(const Selector&) = delete;
  Selector& operator=(const Selector&) = delete;
  virtual ~Selector() = default;

  // "select", "poll", "epoll", "epoll-et", "sigio", "nonblocking"; of other systems "kqueue",
  // "kqueue-et", "devpoll".
  const char* name() const noexcept { return name_; }
  Trigger trigger() const noexcept { return trigger_; }

  // Waits for `events` (event_read, event_write or both) of `fd` from now on; returns the key. The
  // fd stays the caller's. O(1). Errors: EEXIST already registered; EINVAL no events or other bits;
  // EBADF not an open fd, or the selector is closed; EOVERFLOW the fd is too large for select(2);
  // EPERM epoll or sigio can't wait for such a file; ENOMEM, ENOSPC out of memory or of epoll
  // watches.
  Result<SelectorKey> register_fd(int fd, Events events, std::uint64_t data = 0);

  // The same for reading from a file that belongs to others too, so that its flags must stay as
  // they are: signal-driven I/O would set O_ASYNC and the signal, of which an open file has one
  // each. sigio waits for it by poll(2), level-triggered, whatever kind of file it is, and for any
  // number of duplicates of it. For the other mechanisms there is no difference. Not for modify().
  Result<SelectorKey> register_shared(int fd, std::uint64_t data = 0);

  // The same for a listening socket on which others wait too: where the mechanism can (epoll, by
  // EPOLLEXCLUSIVE), a connection wakes one of those that sleep, not all. One that was woken and
  // does not accept has to look once more before it unregisters, or the connection waits for the
  // next wake. Not for modify().
  Result<SelectorKey> register_exclusive(int fd, std::uint64_t data = 0);

  // Sets what is waited for and the data of a registered fd; returns the new key. Always asks the
  // kernel, so edge-triggered it also tells again what is ready. On an error nothing has changed.
  // Errors: ENOENT not registered; EINVAL, EBADF, EPERM, ENOMEM, ENOSPC as above.
  Result<SelectorKey> modify(int fd, Events events, std::uint64_t data);

  // Forgets `fd`, closed or not; returns the key it had. Errors: ENOENT not registered; EBADF the
  // selector is closed.
  Result<SelectorKey> unregister(int fd);

  // Waits until something is ready, `timeout` is over or a signal was handled, and writes what is
  // ready to the front of `out`; returns how many, 0 when the wait ended without. What does not fit
  // is reported by the next calls, each descriptor in its turn. Allocates nothing. Errors: EINVAL
  // `out` is empty; EBADF the selector is closed; those of the system call, EINTR excepted.
  Result<std::size_t> select(std::span<SelectorEvent> out, Timeout timeout = std::nullopt);

  // The same, with room for everything registered: Python's select().
  Result<std::vector<SelectorEvent>> select(Timeout timeout = std::nullopt);

  // The key of `fd`. O(1). Errors: ENOENT not registered; EBADF the selector is closed.
  Result<SelectorKey> get_key(int fd) const;

  // Every key, by ascending fd: a copy, which later calls don't change. O(largest fd ever
  // registered). Errors: EBADF the selector is closed.
  Result<std::vector<SelectorKey>> get_map() const;

  // The largest descriptor that register_fd() takes: select(2) has a limit.
  virtual int max_descriptor() const noexcept { return INT_MAX; }

  // How many are registered.
  std::size_t size() const noexcept { return size_; }

  // Forgets everything and frees what the kernel holds; every later call but close() says EBADF.
  // The registered descriptors stay open. The destructor does the same.
  void close() noexcept;

 protected:
  // What is kept for each fd number: the table is indexed by fd, so that nothing is hashed.
  struct Record {
    std::uint64_t data = 0;
    std::uint32_t mark = 0;  // the mechanism's own; outlives the registration
    Events events = 0;       // 0: not registered
  };
  static_assert(sizeof(Record) == 16);

  Selector(const char* name, Trigger trigger) noexcept : name_(name), trigger_(trigger) {}

  // The record of a registered fd, or nullptr.
  const Record* find(int fd) const noexcept {
    if (fd < 0 || static_cast<std::size_t>(fd) >= table_.size()) return nullptr;
    const Record& record = table_[static_cast<std::size_t>(fd)];
    return record.events != 0 ? &record : nullptr;
  }
  Record* find(int fd) noexcept { return const_cast<Record*>(std::as_const(*this).find(fd)); }
  // The event to tell for `fd`: hang-up and error become the directions asked for.
  static SelectorEvent event_of(int fd, const Record& record, Events ready) noexcept {
    const Events troubles = ready & (event_hang_up | event_error);
    const Events reported = troubles ? event_read | event_write : ready;
    return {{fd, record.events, record.data}, (reported & record.events) | troubles};
  }
  // `visit(fd, record)` for everything registered, by ascending fd.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::size_t fd = 0; fd < table_.size(); ++fd) {
      if (table_[fd].events != 0) visit(static_cast<int>(fd), table_[fd]);
    }
  }

 private:
  // The mechanism. The first four answer 0 or an errno value and leave data and events to the
  // caller; disarm() is also called for an fd that is closed by now.
  virtual int arm(int fd, Record& record, Events events) = 0;
  virtual int arm_shared(int fd, Record& record) { return arm(fd, record, event_read); }
  virtual int arm_exclusive(int fd, Record& record) { return arm(fd, record, event_read); }
  virtual int rearm(int fd, Record& record, Events events) = 0;
  virtual void disarm(int fd, Record& record) noexcept = 0;
  // One system call; nullptr waits for ever. EAGAIN: closed descriptors came up instead of events
  // and are out of the way now, so the wait goes on.
  virtual Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) = 0;
  virtual void release() noexcept = 0;

  enum class With : std::uint8_t { none, sharers, rivals };  // what else waits for it
  Result<SelectorKey> enter(int fd, Events events, std::uint64_t data, With others);
  int put_in(int fd, Events events, std::uint64_t data, With others);
  int arm_with(int fd, Record& record, Events events, With others);

  std::vector<Record> table_;
  std::size_t size_ = 0;
  const char* name_;
  Trigger trigger_;
  bool closed_ = false;
};

// The best mechanism of the system, level-triggered: epoll, kqueue or devpoll; poll where that is
// denied (ENOSYS, EPERM). Throws std::system_error when no descriptor is left.
std::unique_ptr<Selector> default_selector();

}  // namespace polyio
