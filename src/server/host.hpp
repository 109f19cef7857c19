// Host: what runs the connections of a server: the loops of this process, or worker processes. One
// object per server, or per process of it.
#pragma once

#include <functional>
#include <memory>
#include <polyio/base/assert.hpp>
#include <vector>

#include "ending.hpp"
#include "shared.hpp"

namespace polyio {

class Host {
 public:
  virtual ~Host() = default;
  // Serves on this thread and others of its own until it is stopped; calls `ready` once, when
  // nothing can fail to start any more. Once.
  virtual void run(const std::function<void()>& ready) = 0;
  // Thread-safe, at any time of the object's life.
  virtual void stop(Ending::Step how) = 0;
  // It takes SIGINT, SIGTERM and SIGHUP itself while it runs.
  virtual bool handles_signals() const { return false; }
  // See Server::set_model(): how long the pause was. Of loops only, as settle_change() knows.
  virtual Nanoseconds set_model(const std::string& before, const std::string& model) {
    (void)before, (void)model;
    POLYIO_ASSERT(false);
    return {};
  }
  // See Server::homes().
  virtual std::vector<Io*> homes() { return {}; }
};

// Each throws what Server's constructor may throw. `listeners`: for each loop that accepts; that of
// the others is one. `counts`: where the connections are counted.
std::unique_ptr<Host> make_loops(ServerShared& shared, std::vector<Listeners> listeners,
                                 ProcessCounts& counts);
std::unique_ptr<Host> make_prefork(ServerShared& shared, Listeners listeners);
std::unique_ptr<Host> make_process_per_connection(ServerShared& shared, Listeners listeners);

}  // namespace polyio
