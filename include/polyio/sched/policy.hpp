// Policy: which of those that are ready runs next, and for how long. Pure logic: it has no clock,
// no threads and no memory of its own, so the simulator, the executors and the scheduler of real
// processes share it. The rule: its user says what happened (add: one is ready, and why; ran: the
// one that was taken has used the processor) and asks what to do (take, quantum, gives_way). Times
// are spans of processor time in the user's unit. Not thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <polyio/base/list.hpp>
#include <vector>

namespace polyio::sched {

using Span = std::int64_t;
inline constexpr Span unlimited = std::numeric_limits<Span>::max();

// Why one is ready.
enum class Cause : std::uint8_t {
  created,    // it is new
  unblocked,  // what it waited for has come
  expired,    // its quantum was used up
  preempted,  // another went first
};
inline constexpr std::size_t causes = 4;

struct ReadyTag;
// One that is scheduled: derive from it. What it is ranked by is given by its user, the rest is the
// policy's. It outlives its stay with the policy, and leaves the queue when it is destroyed.
struct Entry : ListNode<ReadyTag> {
  Span burst = 0;          // until it blocks or ends, known or predicted: for shortest-first
  std::uint64_t rank = 0;  // by which equal bursts go: lower first

  std::uint32_t level = 0;  // its queue, 0 the highest
  Span used = 0;            // of its quantum
};
using Queue = List<Entry, ReadyTag>;

class Policy {
 public:
  virtual ~Policy() = default;

  // `entry` is ready, for `cause`.
  virtual void add(Entry& entry, Cause cause) = 0;
  // The next to run, which is not ready any more; nullptr: there is none.
  virtual Entry* take() = 0;
  // For how long `running` may go on before it is to be added again as expired, more than 0.
  virtual Span quantum(const Entry& running) const { return (void)running, unlimited; }
  // `running` has used the processor for `span`, at most its quantum.
  virtual void ran(Entry& running, Span span) { running.burst -= span; }
  // One that is ready goes before `running` at once, which is then to be added as pre-empted.
  virtual bool gives_way(const Entry& running) const { return (void)running, false; }
  // None is ready.
  virtual bool empty() const noexcept = 0;
  // All, `running` (or nullptr) too, start again in the highest queue. For policies with levels.
  virtual void boost(Entry* running) { (void)running; }
};

// First come, first served: each runs until it blocks or ends.
std::unique_ptr<Policy> make_fcfs();

// Shortest burst first. `preemptive`: an arrival with a shorter burst than what is left of the
// running one's goes first (shortest remaining time).
std::unique_ptr<Policy> make_sjf(bool preemptive = false);

// Round robin: all three that come back, because their quantum was used up, because what they
// waited for has come, or as new ones, go to the tail.
std::unique_ptr<Policy> make_round_robin(Span quantum);

// The quantum with which `processes` that are ready get an answer within `response`, if each is
// answered in its first quantum and a switch takes `switch_cost`; at least 1.
Span quantum_for(Span response, std::size_t processes, Span switch_cost = 0);

// Multilevel feedback queue: a new one begins in the highest of `quanta.size()` queues. A quantum
// used up moves it a queue down, blocking before leaves it there with a new quantum. The last queue
// is round robin. One in a higher queue goes first, at once: one that is pre-empted goes to the
// tail of its queue and keeps what it has used of its quantum.
std::unique_ptr<Policy> make_mlfq(std::vector<Span> quanta);
// `quantum`, and twice as much in each lower one.
std::vector<Span> doubling_quanta(Span quantum, std::size_t levels);

// A queue for each cause, with a priority (0 is served first) and a quantum of its own; within a
// queue first come, first served.
struct CauseQueue {
  unsigned priority = 0;
  Span quantum = unlimited;
};
struct CauseQueues {
  CauseQueue created, unblocked, expired, preempted;
};
std::unique_ptr<Policy> make_by_cause(const CauseQueues& queues);

// A burst predicted from those before: alpha * last + (1 - alpha) * prediction, exponential
// averaging.
class Prediction {
 public:
  explicit Prediction(double first, double alpha = 0.5) noexcept : next_(first), alpha_(alpha) {}
  double next() const noexcept { return next_; }
  void saw(Span burst) noexcept {
    next_ = alpha_ * static_cast<double>(burst) + (1 - alpha_) * next_;
  }

 private:
  double next_;
  double alpha_;
};

}  // namespace polyio::sched
