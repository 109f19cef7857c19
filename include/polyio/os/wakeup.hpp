// Wakeup: a descriptor that any thread can make readable to wake a loop: an eventfd(2), or a
// pipe(2) for a loop that can't wait for an eventfd (SignalSelector).
#pragma once

#include <polyio/os/unique_fd.hpp>

namespace polyio::os {

class Wakeup {
 public:
  enum class Kind : bool { eventfd, pipe };

  // Throws std::system_error when no descriptor is left: an eventfd takes one, a pipe two.
  explicit Wakeup(Kind kind = Kind::eventfd);
  // The other process's end of one that was sent as a descriptor: an eventfd's.
  explicit Wakeup(UniqueFd eventfd) noexcept : fd_(std::move(eventfd)) {}
  int fd() const noexcept { return fd_.get(); }
  // Makes fd() readable; many calls before a drain() are one. Thread-safe, async-signal-safe.
  void signal() noexcept;
  // Makes fd() not readable again. For the one thread that waits.
  void drain() noexcept;

 private:
  UniqueFd fd_;
  UniqueFd into_;  // the pipe's other end
};

}  // namespace polyio::os
