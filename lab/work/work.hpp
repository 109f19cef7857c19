// What claims measure that are about no server: the same tasks by threads, processes and
// coroutines, on the cores that this process may use, and jobs under a scheduling policy. Each
// answers its figures by name, as `polyio lab work` prints them (docs/lab.md). For a process that
// has one thread. Errors: std::runtime_error, std::system_error, std::invalid_argument.
#pragma once

#include <polyio/base/clock.hpp>
#include <string>
#include <vector>

#include "../results.hpp"

namespace polyio::lab {

// A fixed amount of computing, a nanosecond or so for a step.
void compute_steps(std::uint64_t steps) noexcept;
// Steps that take `span` of processor time here, roughly.
std::uint64_t steps_of(Nanoseconds span);

// Equal tasks one after the other, each in a process, and each in a thread.
struct ParallelWork {
  bool turn = true, processes = true, threads = true;
  bool io = false;  // a task blocks for `span`; or it computes
  unsigned tasks = 4;
  Nanoseconds span = std::chrono::milliseconds(50);
  std::uint64_t steps = 0;  // that a task computes; 0: as many as take `span`
};
Json measure_parallel(const ParallelWork& work);

// Coroutines on one thread: waits, one after the other and all at once; computing, without
// switching and with a switch after every `every` steps.
struct SwitchingWork {
  unsigned tasks = 10;
  Nanoseconds span = std::chrono::milliseconds(10);  // a task's wait, and a task's computing
  std::uint64_t steps = 0;                           // as above
  std::uint64_t every = 100;
};
Json measure_switching(const SwitchingWork& work);

// Starting and waiting for a thread, a process (a copy, and the program anew), a coroutine:
// `times` each, one after the other.
Json measure_starting(unsigned times);

// Jobs on one processor, by `polyio sched run`, and what the simulator makes of the same jobs.
struct SchedulingWork {
  std::string policy = "fcfs";
  double quantum_ms = 20;
  bool preemptive = false;
  // "name:arrival:burst[:io:burst...]", in ms. The policy is given the first burst, as a hint.
  std::vector<std::string> jobs;
};
Json measure_scheduling(const SchedulingWork& work);

// What such a job does, in a process of its own: computes, waits, computes ..., in ms of processor
// time and of the clock. What the process has used for its start is in the first.
void burn(const std::vector<double>& spans_ms);

// The same figures as measure_parallel() and measure_switching(), by Python: the arguments of
// /bin/sh. Empty: there is no python3.
std::vector<std::string> python_work(std::vector<std::string> arguments);

}  // namespace polyio::lab
