// TurnOrder: which of a loop's ready jobs has the next turn, and for how long, where the policy is
// not first come, first served. The decision is sched::Policy's; what a loop needs besides is here:
// what a turn costs is measured, so nothing is declared; a yield lets those go first that are ready
// already; and none starves, because those that have been ready for `patience` have a quarter of
// the time, the oldest first. It has no clock: times are given. Not thread-safe.
#pragma once

#include <polyio/base/clock.hpp>
#include <polyio/sched/kind.hpp>
#include <polyio/sched/policy.hpp>

namespace polyio {

class Job;
struct AgeTag;

// A job's part in the order. It outlives the job's stay there.
struct Turn : sched::Entry, ListNode<AgeTag> {
  enum class Back : std::uint8_t {
    waited,   // what it waited for has come, or it is new
    goes_on,  // its turn ended before it had to wait
    yielded,
  };
  explicit Turn(Job* whose) noexcept : job(whose) {}
  Job* const job;
  Back back = Back::waited;  // why it is ready, when it is added

  // The order's.
  sched::Prediction usual{0};  // ns of a turn; of a new one nothing is known, so it goes first
  TimePoint since{};           // when it became ready
  std::uint32_t boosts = 0;    // those that it has taken part in
  bool used_up = false;        // its quantum
  bool steps_back = false;     // it yielded: the policy gets it when it is the oldest
};

class TurnOrder {
 public:
  // Not for fcfs.
  explicit TurnOrder(sched::Kind kind);

  // rr: a turn; mlfq: a turn at the highest of the levels, on each lower one twice as much.
  static constexpr Nanoseconds quantum = std::chrono::microseconds(100);
  static constexpr std::size_t levels = 4;
  // mlfq: all begin again at the highest level.
  static constexpr Nanoseconds boost_interval = std::chrono::seconds(1);
  static constexpr Nanoseconds patience = std::chrono::milliseconds(100);

  void add(Turn& turn, TimePoint now) noexcept;
  // The next, which is not ready any more; nullptr: there is none.
  Turn* take(TimePoint now) noexcept;
  // How long a turn of the one that was taken may last; a job gives way at its next operation.
  Nanoseconds span(const Turn& turn) const noexcept;
  // It has had a turn.
  void ran(Turn& turn, Nanoseconds span) noexcept;
  bool empty() const noexcept { return by_age_.empty(); }

 private:
  void hand_over(Turn& turn, sched::Cause cause) noexcept;
  Turn* overdue(TimePoint now) noexcept;

  const std::unique_ptr<sched::Policy> policy_;
  const sched::Kind kind_;
  List<Turn, AgeTag> by_age_;
  std::uint64_t arrivals_ = 0;
  std::uint32_t boosted_ = 1;
  TimePoint last_boost_{};
  bool by_patience_ = false;  // the turn that is on
  Nanoseconds debt_{0};       // of those that were overdue, to the policy's own choices
};

}  // namespace polyio
