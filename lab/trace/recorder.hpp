// Recorder: keeps what a tracer shows of one request, from start() to take(), and names it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "../tracer.hpp"
#include "trace.hpp"

namespace polyio::lab {

class Recorder {
 public:
  explicit Recorder(const Call& call = traced_calls().front()) : call_(call) {}
  void see(const Stop& stop);
  // The socket that the call is made on; till then, and for recv, one that was accepted.
  void follow(int descriptor) { connection_ = descriptor; }
  // Forgets what is over; a call that is not is kept.
  void start();
  // Into `trace`, relative to `data`.
  void take(Trace& trace, TimePoint data) const;
  // Its number: 1 is the first that is asked for, or was seen.
  int thread_of(pid_t thread);
  // A thread is in the call that sends the answer: it may be, though the answer is there.
  bool answers() const;

 private:
  struct Made {
    Stop entry;
    std::optional<TimePoint> end;
    std::int64_t result = 0;
  };
  TracedCall named(const Made& made, TimePoint data) const;
  const Call& call_;
  std::map<pid_t, int> threads_;
  std::map<pid_t, Stop> pending_;
  std::vector<Made> made_;
  std::vector<Stop> signals_;
  std::size_t left_out_ = 0;
  std::ptrdiff_t vain_left_out_ = 0;  // of them, those that asked in vain
  std::int64_t connection_ = -1;      // its descriptor, once accept(2) has returned it
};

}  // namespace polyio::lab
