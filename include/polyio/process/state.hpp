// What a process is doing, as the textbooks draw it, and why the CPU was taken from it: a process
// that waits gives it up (voluntary switches), one that computes for long loses it (involuntary
// ones). Read from /proc (proc(5)), of any process one may look at.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <string_view>

namespace polyio::process {

enum class State : unsigned char { created, ready, running, blocked, stopped, terminated };
std::string_view to_string(State state) noexcept;

struct Status {
  State state;
  std::uint64_t voluntary;  // it gave the CPU up: it waits for something
  std::uint64_t
      involuntary;      // the CPU was taken: its time slice was over, or another was more urgent
  Nanoseconds cpu;      // how long it has computed
  Nanoseconds waiting;  // how long it was ready and had no CPU
};

// The state of the process's first thread; it is `running` rather than `ready` if the CPU clock of
// the process advances within some 20 microseconds. A zombie is terminated. Errors: ESRCH, no such
// process; EMFILE.
Result<Status> state_of(pid_t pid);

// Is there an arrow `from` -> `to` in the diagram? created -> ready -> running -> terminated,
// running -> ready (time over), running -> blocked -> ready; every state between ready and blocked
// can be stopped, and goes on as ready, or blocked as before; a signal ends it from anywhere.
bool is_legal(State from, State to) noexcept;
// Whether legal steps lead from one to the other: what two looks of an observer may see.
bool is_reachable(State from, State to) noexcept;

}  // namespace polyio::process
