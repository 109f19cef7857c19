// Watchdog: tells when a job holds its loop: runs for long without waiting, so that every other
// connection of the loop stands still. A thread of its own looks at the loop's progress; the loop
// pays one instruction per job. A hold is logged once, while it lasts, with the loop, the
// connection and where the code is, and once more when it is over.
#pragma once

#include <functional>
#include <memory>
#include <polyio/base/clock.hpp>
#include <string_view>

namespace polyio {

class Io;

class Watchdog {
 public:
  // Watches `io`, which the calling thread is about to run, until it is destroyed by the same
  // thread. A hold is noticed when it has lasted for `limit`, at the latest a quarter of that
  // later; the thread wakes up four times per `limit`, which is at least 1 ms. `log` takes one line
  // at a time and is called from the watchdog's thread. Throws std::system_error when no thread can
  // be had. Not for the blocking model, which has no loop to hold (asserted).
  //
  // The loop's thread is interrupted once per hold (os/stack_sampler.hpp), so that a sleep in a
  // handler ends early with EINTR. Functions and lines come from the program's own debug
  // information; without it there are only names, or addresses.
  Watchdog(Io& io, Nanoseconds limit, std::function<void(std::string_view)> log);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Holds told so far. Thread-safe.
  std::uint64_t holds() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace polyio
