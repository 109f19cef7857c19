// CallCounter: counts the system calls of a process, its threads and all it starts, by ptrace(2).
// That slows every call down, so nothing is timed meanwhile. What the kernel does by itself, as
// io_uring's threads do, is no call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "child.hpp"

namespace polyio::lab {

using Calls = std::map<std::string, double>;  // by name

// ptrace(2) is not allowed here.
struct Denied : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class CallCounter {
 public:
  // `child` was made with `traced`, and begins now. While this lives, nothing else may wait for a
  // child of this process. Throws Denied.
  explicit CallCounter(Child& child);
  // Kills the child, with all it has started.
  ~CallCounter();
  CallCounter(const CallCounter&) = delete;
  CallCounter& operator=(const CallCounter&) = delete;

  // Lets it go on until it has ended, or `done`, which is asked before every step.
  void run_to_the_end(const std::function<bool()>& done = [] { return false; });
  // Lets it go on until `other`, a child of this process that is not traced, has stopped or ended:
  // its wait status.
  int run_until(pid_t other);
  // Lets it go on until it has made no step for `quiet`, or `most` is over: a program that polls
  // never comes to rest.
  void settle(Nanoseconds quiet, Nanoseconds most);

  // Started so far.
  Calls calls() const;

 private:
  void take(pid_t thread, int status);
  void step(pid_t thread, int status);

  Child& child_;
  bool ended_ = false;
  std::set<pid_t> known_;                        // threads that have stopped once
  std::map<std::uint64_t, std::uint64_t> seen_;  // by number
};

// "recvfrom"; "call 463" where it is not on our list.
std::string name_of_call(std::uint64_t number);

}  // namespace polyio::lab
