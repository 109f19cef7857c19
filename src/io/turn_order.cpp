#include "turn_order.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace polyio {
namespace {

using sched::Cause;
using sched::Kind;

std::unique_ptr<sched::Policy> make_policy(Kind kind) {
  constexpr sched::Span quantum = TurnOrder::quantum.count();
  switch (kind) {
    case Kind::fcfs: break;
    case Kind::sjf: return sched::make_sjf();
    case Kind::rr: return sched::make_round_robin(quantum);
    case Kind::mlfq: return sched::make_mlfq(sched::doubling_quanta(quantum, TurnOrder::levels));
  }
  POLYIO_ASSERT(!"first come, first served needs no order");
  return nullptr;
}

}  // namespace

TurnOrder::TurnOrder(Kind kind) : policy_(make_policy(kind)), kind_(kind) {}

// Where all go to the tail, a yield asks for no more than that.
void TurnOrder::add(Turn& turn, TimePoint now) noexcept {
  turn.since = now;
  turn.steps_back = turn.back == Turn::Back::yielded && kind_ != Kind::rr;
  by_age_.push_back(turn);
  if (turn.steps_back) return;
  hand_over(turn, turn.back == Turn::Back::waited ? Cause::unblocked : Cause::preempted);
}

// Bursts are rounded to powers of two: those that differ less go in the order in which they came,
// and no arrival has to be compared with thousands.
void TurnOrder::hand_over(Turn& turn, Cause cause) noexcept {
  turn.burst =
      static_cast<sched::Span>(std::bit_floor(static_cast<std::uint64_t>(turn.usual.next())));
  turn.rank = ++arrivals_;
  if (std::exchange(turn.used_up, false)) cause = Cause::expired;
  if (turn.boosts != boosted_) cause = Cause::created;
  policy_->add(turn, cause);
}

// The oldest, if it has waited for too long and it is their time.
Turn* TurnOrder::overdue(TimePoint now) noexcept {
  Turn* const oldest = by_age_.front();
  if (!oldest || debt_ > Nanoseconds::zero() || now - oldest->since < patience) return nullptr;
  static_cast<sched::Entry&>(*oldest).unlink();
  return oldest;
}

Turn* TurnOrder::take(TimePoint now) noexcept {
  if (kind_ == Kind::mlfq && now - last_boost_ >= boost_interval) {
    last_boost_ = now;
    ++boosted_;
    policy_->boost(nullptr);
  }
  Turn* turn = overdue(now);
  by_patience_ = turn;
  if (!turn) {
    Turn* const oldest = by_age_.front();
    if (oldest && std::exchange(oldest->steps_back, false)) hand_over(*oldest, Cause::preempted);
    turn = static_cast<Turn*>(policy_->take());
    if (!turn) return nullptr;
  }
  static_cast<ListNode<AgeTag>&>(*turn).unlink();
  turn->boosts = boosted_;
  return turn;
}

Nanoseconds TurnOrder::span(const Turn& turn) const noexcept {
  return Nanoseconds(policy_->quantum(turn));
}

void TurnOrder::ran(Turn& turn, Nanoseconds span) noexcept {
  const sched::Span left = policy_->quantum(turn);
  turn.used_up = span.count() >= left;
  policy_->ran(turn, std::min(span.count(), left));
  turn.usual.saw(span.count());
  debt_ = by_patience_ ? 3 * span : std::max(debt_ - span, Nanoseconds::zero());
}

}  // namespace polyio
