// Engine: measures points and trials in interleaved rounds. In a round each of them has its turn,
// in an order drawn anew: a server and a load, each a fresh process on cores of its own, or the
// trial's program. The results are written after every round, and when a signal ends it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "call_counter.hpp"
#include "child.hpp"
#include "progress.hpp"
#include "results.hpp"

namespace polyio::lab {

class Engine {
 public:
  // Writes are the caller's: `save` is called when there is more to be kept.
  Engine(Results& results, std::function<void()> save);

  // Seconds that what is not measured yet will take, roughly.
  double foreseen() const;
  // Measures it. Throws Interrupted: the run under way is dropped.
  void run();

 private:
  // In a round, that of a point or that of a trial.
  struct Turn {
    Measured* measured = nullptr;
    Tried* tried = nullptr;
    unsigned round = 1;
    bool accepts = false;  // measures how fast it accepts, too
    bool counts = false;   // counts system calls, too
  };
  std::vector<Turn> turns_of(unsigned round) const;
  bool counts_accepts(const Measured& measured, unsigned round) const;
  double seconds_of(const Turn& turn) const;
  void take(const Turn& turn);
  void measure(const Turn& turn, Run& run);
  void try_out(const Trial& trial, Run& run);
  void count(const Turn& turn);
  Json load_server(Measured& measured, const std::vector<std::string>& load, double patience);

  Results& results_;
  std::function<void()> save_;
  os::SignalQueue signals_;
  bool may_count_ = true;  // nothing has said yet that calls can't be counted
  Progress* progress_ = nullptr;
};

// The arguments of `polyio lab serve` for this point.
std::vector<std::string> server_arguments(const Point& point);
// What starts its server, that or another one.
Child::Options server_of(const Point& point);
// Those of the load on it, without its address and how long it lasts.
std::vector<std::string> load_arguments(const Point& point);
// Those of `polyio lab calls`.
std::vector<std::string> calls_arguments(const Point& point);
// The first of the servers' where it has one thread, else all of them.
std::vector<int> cores_of(const Settings& settings, const Point& point);
// "127.0.0.1:40000" of a server's ready line. Throws std::runtime_error with its last words when
// that does not come.
std::string ready_address(Child& server, const std::optional<std::string>& line);

// Starts the server of `point`, sends it `requests` messages and counts the system calls from the
// time when all are connected until the last one is answered. Throws Denied.
Calls calls_per_request(const Point& point, std::uint64_t requests);

}  // namespace polyio::lab
