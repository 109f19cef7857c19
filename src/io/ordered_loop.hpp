// OrderedLoop: the Loop whose ready jobs go on in the order of a policy. Jobs take turns as in
// every loop, and none is stopped in the middle of a computation; but a turn ends when its quantum
// is used up, and events are looked at again after `look_interval`, whoever is still ready: what
// arrives is ordered among those. It costs two reads of the clock and some 120 bytes per job.
#pragma once

#include <optional>

#include "loop.hpp"
#include "turn_order.hpp"

namespace polyio {

class OrderedLoop final : public Loop {
 public:
  OrderedLoop(Io& io, sched::Kind policy) : Loop(io), order_(policy) {}
  void run(Job& main) override;
  Result<> launch(Job& job) override;

 private:
  static constexpr Nanoseconds look_interval = TurnOrder::quantum;
  void take_in(TimePoint now) noexcept;
  void run_ready();

  TurnOrder order_;
  std::optional<Turn> main_;
};

}  // namespace polyio
