// Architecture: who runs the connections of a server. One object per server, or per process of it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "shared.hpp"

namespace polyio {

class Io;

class Architecture {
 public:
  // How a server, or a part of it, is asked to end. Each includes those before.
  enum class Stop {
    retire,  // accepts no more; connections go on, undisturbed for the drain time (reload)
    drain,   // handlers see the end of file once they have what is there
    cut,     // what still runs is cancelled
  };
  virtual ~Architecture() = default;
  // Serves on this thread and others of its own until it is stopped; calls `ready` once, when
  // nothing can fail to start any more. Once.
  virtual void run(const std::function<void()>& ready) = 0;
  // Thread-safe, at any time of the object's life.
  virtual void stop(Stop how) = 0;
  // Takes INT, TERM and HUP itself while it runs.
  virtual bool handles_signals() const { return false; }
  // See Server::homes().
  virtual std::vector<Io*> homes() { return {}; }
};

// Throws what Server's constructor may throw. `listeners`: one socket, or with reuseport one for
// each loop.
std::unique_ptr<Architecture> make_architecture(ServerShared& shared,
                                                std::vector<os::UniqueFd> listeners);

// --- what it is made of, by file ---
std::unique_ptr<Architecture> make_loops(ServerShared& shared, std::vector<os::UniqueFd> listeners,
                                         Seat& seat);
std::unique_ptr<Architecture> make_iterative(ServerShared& shared, os::UniqueFd listener);
std::unique_ptr<Architecture> make_prefork(ServerShared& shared, os::UniqueFd listener);
std::unique_ptr<Architecture> make_process_per_connection(ServerShared& shared,
                                                          os::UniqueFd listener);

}  // namespace polyio
