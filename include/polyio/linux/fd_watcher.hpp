// Tells when a descriptor becomes readable, whatever I/O model the one who waits runs on: a thread
// of the program waits for all of them (epoll(7)), so a thousand cost no more threads than one. The
// rule: while nobody waits there is neither the thread nor a descriptor of it, so a process that
// has waited can fork(2) again.
#pragma once

#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>

namespace polyio::os {

struct FdWatchTag;

// One wait. It lives where its owner waits, until unwatch().
class FdWatch : public ListNode<FdWatchTag> {
 public:
  virtual ~FdWatch() = default;

 private:
  friend class FdWatcher;
  // Once: the descriptor is readable, or its peer is gone. By the watcher's thread, which holds the
  // lock that unwatch() and is_watched() take: short, and calls neither.
  virtual void on_ready() noexcept = 0;
  int fd_ = -1;
};

// Waits for `fd` from now on; many may wait for one. It stays open until unwatch() or on_ready().
// Errors: EMFILE, EAGAIN, no descriptor or thread for the watcher; EPERM, a regular file, which is
// always readable; EBADF. Thread-safe.
Result<> watch_readable(FdWatch& watch, int fd);
// After this on_ready() is not called, nor running; false: it has been. Thread-safe.
bool unwatch(FdWatch& watch) noexcept;
// false once on_ready() has been called. Thread-safe.
bool is_watched(const FdWatch& watch) noexcept;

}  // namespace polyio::os
