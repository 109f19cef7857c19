// SimDriver::State: the operations of the sim driver over its network: which wait, when each is
// tried again, the buffers lent, and the clock's next move. The rule: an operation ends once, by an
// attempt that succeeded or by its cancel, and its serial number makes every event of an earlier
// one stale.
#pragma once

#include <array>
#include <memory>
#include <polyio/io/lease_pool.hpp>
#include <string>
#include <vector>

#include "network.hpp"

namespace polyio {

struct SimDriver::State {
  // An operation in flight, by slot and direction; the serial shows which events are stale.
  struct Wait {
    Op* op = nullptr;
    std::uint64_t serial = 0;
    bool scheduled = false;   // an attempt is on its way
    bool cancelling = false;  // a late cancel is
  };

  State(SimDriver& first, const SimOptions& options) : driver(&first), world(options) {}

  static SimDirection direction_of(OpKind kind) noexcept {
    return kind == OpKind::send || kind == OpKind::connect ? sim_out : sim_in;
  }
  Wait& wait_of(std::uint32_t slot, std::size_t direction) {
    if (waits.size() <= slot) waits.resize(slot + 1);
    return waits[slot][direction];
  }
  Wait& wait_of(const Op& op) { return wait_of(op.handle.slot, direction_of(op.kind)); }
  Wait* find(const SimEvent& event) {
    Wait& wait = wait_of(event.id, event.part);
    return wait.op && wait.serial == event.amount ? &wait : nullptr;
  }

  bool end(Wait& wait, std::int64_t result) noexcept;
  bool attempt(Wait& wait);
  bool receive(Wait& wait);
  bool send(Wait& wait);
  void push(SimEventKind kind, const Wait& wait, TimePoint at);
  void schedule(Wait& wait);
  void settle();
  void handle(const SimEvent& event);
  void finish_ripe();
  void startle();
  bool starved();
  bool take_ahead(const OpenHandle& from, Own& own);
  bool wait_for_event(Deadline deadline);
  void stuck(std::string_view why);
  std::string report(std::string_view why);

  Io& io() const noexcept { return driver->io(); }
  LeasePool& buffers() const noexcept;

  SimDriver* driver;  // the Io's
  SimWorld world;
  SimNetwork network{world};
  std::vector<std::array<Wait, 2>> waits;
  std::vector<SimEvent> ripe;  // attempts whose time has come
  TimePoint buffers_back{};
  std::size_t in_flight = 0;
  std::uint64_t serial = 0, turns = 0;
  bool woken = false;
  std::move_only_function<void(const std::string&)> on_deadlock;
};

struct SimDriver::Own {
  // Received, a socket or an error, before anything asked for it.
  struct Ahead {
    Handle handle;
    std::int64_t result = 0;
    LeasePool::Buffer buffer{};  // no data: a socket or an error
    std::size_t at = 0;          // of its `result` bytes those before have been taken
  };

  // No buffer is kept: each is made for its lease, for the address sanitizer to check.
  explicit Own(const SimOptions& options)
      : buffers({.large = options.lease_size,
                 .own = (options.lease_size + 15) / 16,
                 .limit = options.lease_limit,
                 .keep = 0}) {}

  LeasePool buffers;
  std::vector<Ahead> ahead;
};

inline LeasePool& SimDriver::State::buffers() const noexcept { return driver->own_->buffers; }

}  // namespace polyio
