// Tracer: lets a process, its threads and all it starts go on from system call to system call, by
// ptrace(2), and shows each. That slows every call down. What the kernel does by itself, as
// io_uring's threads do, is no call.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>

#include "child.hpp"

namespace polyio::lab {

// ptrace(2) is not allowed here.
struct Denied : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a thread stopped for.
struct Stop {
  enum class Kind { entry, exit, signal } kind;
  pid_t thread;
  TimePoint at;                            // when it was seen to have stopped
  std::uint64_t number = 0;                // of the call, at its entry; of the signal
  std::array<std::uint64_t, 6> args = {};  // at its entry
  std::int64_t result = 0;                 // at its exit: negative, an error
};

class Tracer {
 public:
  using Seen = std::function<void(const Stop&)>;
  // `child` was made with `traced`, and begins now. While this lives, nothing else may wait for a
  // child of this process. Throws Denied.
  Tracer(Child& child, Seen seen);
  // Kills the child, with all it has started.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Takes a stop that is there, and lets the thread go on; false: there is none now.
  bool step();
  bool ended() const noexcept { return ended_; }

  // Lets it go on until it has ended, or `done`, which is asked before every step.
  void run_to_the_end(const std::function<bool()>& done = [] { return false; });
  // Lets it go on until `other`, a child of this process that is not traced, has stopped or ended:
  // its wait status.
  int run_until(pid_t other);
  // Lets it go on until it has made no step for `quiet`, or `most` is over: a program that polls
  // never comes to rest.
  void settle(Nanoseconds quiet, Nanoseconds most);

 private:
  void take(pid_t thread, int status);
  void stopped(pid_t thread, int status);

  Child& child_;
  Seen seen_;
  bool ended_ = false;
  std::set<pid_t> known_;  // threads that have stopped once
};

// "recvfrom"; "call 463" where it is not on our list.
std::string name_of_call(std::uint64_t number);

}  // namespace polyio::lab
