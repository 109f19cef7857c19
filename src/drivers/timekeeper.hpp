// Timekeeper: the one thread that looks after all blocking drivers: it calls serve() when their
// timers are due or when they ask for it, and repeats the signal that gets a thread out of a system
// call. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <polyio/base/clock.hpp>
#include <set>
#include <unordered_map>

#include "blocking_driver.hpp"

namespace polyio {

class Timekeeper {
 public:
  // The process's own; its thread starts with the first call and lives as long as the process.
  static Timekeeper& instance();

  // Before anything else of a driver. Throws std::bad_alloc; what comes later allocates nothing, as
  // it may be called while nothing can be undone.
  void remember(BlockingDriver& driver);
  // Calls driver.serve() at `deadline` instead of what was set before; `never`: not at all.
  void set_deadline(BlockingDriver& driver, Deadline deadline);
  // Calls driver.serve() soon.
  void serve_soon(BlockingDriver& driver) { set_deadline(driver, TimePoint::min()); }
  // Nothing of the driver is touched after this returns.
  void forget(BlockingDriver& driver);
  // Signals the call's thread now and each millisecond until release().
  void interrupt(BlockedCall& call);
  void release(BlockedCall& call);

 private:
  using Deadlines = std::unordered_map<BlockingDriver*, Deadline>;
  Timekeeper();
  void run();
  void move(Deadlines::iterator place, Deadline deadline) noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable served_;
  std::set<std::pair<Deadline, BlockingDriver*>> queue_;  // all; those without a deadline last
  Deadlines deadlines_;
  BlockingDriver* serving_ = nullptr;
  List<BlockedCall, BlockedTag> calls_;
};

}  // namespace polyio
