// Simulation: jobs on one processor in virtual time, under any Policy. What happens at one instant
// is taken in this order: jobs that arrive or have finished their I/O become ready, by arrival and
// then by their order in the list; the running job gives way; a job whose quantum has just ended
// queues again; all are boosted. A job that goes on after its quantum because no other is ready
// goes on without a gap.
#pragma once

#include <optional>
#include <polyio/sched/policy.hpp>
#include <string>
#include <vector>

namespace polyio::sched {

struct JobSpec {
  std::string name;
  Span arrival = 0;
  // Processor, I/O, processor, ...: an odd number of spans, each more than 0.
  std::vector<Span> bursts;
  // false: once it has the processor it keeps it to the end of its burst, whatever the policy says.
  bool preemptible = true;
  // Where bursts are predicted: the first one; 0: as SimulationOptions says.
  Span guess = 0;
};

struct SimulationOptions {
  // The processor's time for going over from one job to another; in no job's time.
  Span switch_cost = 0;
  // Policy::boost() so often; 0: never.
  Span boost = 0;
  // Shortest-first knows the next burst; or it predicts it, the first of each job as `first_guess`,
  // by exponential averaging with `alpha`.
  std::optional<double> alpha{};
  double first_guess = 10;
  // A turn is the processor given to a job until its burst or quantum ends or something happens.
  // The bound keeps a short quantum and long bursts from taking all memory.
  std::size_t most_turns = 1'000'000;
};

// One job on the processor, without a break.
struct Segment {
  std::size_t job = 0;  // its place in the list
  Span begin = 0, end = 0;
  bool operator==(const Segment&) const = default;
};

struct JobReport {
  Span start = 0, finish = 0;  // first on the processor; ended
  Span burst = 0;              // processor time
  Span io = 0;
  Span turnaround = 0;  // from its arrival to its end
  Span waiting = 0;     // ready, and not running: turnaround - burst - io
  Span response = 0;    // from its arrival to its start
};

struct Report {
  std::vector<Segment> timeline;
  std::vector<JobReport> jobs;                       // as in the list
  double turnaround = 0, waiting = 0, response = 0;  // averages
  std::size_t switches = 0;                          // from one job to another
  Span end = 0;
  Span idle = 0;
};

// Throws std::invalid_argument for a job without bursts, with an even number of them, with one that
// is not more than 0, or that arrives before 0; std::length_error when `most_turns` don't do.
Report simulate(const std::vector<JobSpec>& jobs, Policy& policy, const SimulationOptions& = {});

}  // namespace polyio::sched
