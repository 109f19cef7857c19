// SingleConnection: an Io that serves one connection at a time, on the thread that runs it, and can
// be brought to its end from outside meanwhile. Of threads and of processes that have one
// connection each.
#pragma once

#include "ending.hpp"
#include "shared.hpp"

namespace polyio {

class SingleConnection {
 public:
  // `patience`: as Ending's. Throws when descriptors or memory run out.
  SingleConnection(ServerShared& shared, Nanoseconds patience);
  Io& io() noexcept { return io_; }
  // Runs `main` on this thread. May be called again.
  void run(Task<> main);
  // In `main`: the handler on `socket`.
  Task<> serve(os::UniqueFd socket);
  // Thread-safe, at any time.
  void stop(Ending::Step step) { ending_.ask(step); }

 private:
  Task<> whole(Task<> main);
  void take_step(Ending::Step step);
  void count_cut() noexcept { shared_.counters().cut.fetch_add(1, std::memory_order_relaxed); }

  ServerShared& shared_;
  Ending ending_;
  Io io_;
  bool serving_ = false;
};

}  // namespace polyio
