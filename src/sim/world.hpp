// What the parts of the sim driver share: the seed's generator, the virtual clock, the events to
// come in order of time, and the trace. The rule: events of the same time come in the order they
// were scheduled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/base/random.hpp>
#include <polyio/sim/sim.hpp>
#include <vector>

namespace polyio {

enum class SimEventKind : std::uint8_t {
  syn,      // of connection `id` arrives at the listener
  answer,   // to connection `id`'s client: errno `amount`, or 0
  arrive,   // `amount` bytes for side `part` of connection `id`
  fin,      // for side `part`
  reset,    // for side `part`
  attempt,  // of the operation `amount` of slot `id`, direction `part`
  cancel,   // the same: its cancel takes effect
};

struct SimEvent {
  TimePoint at;
  std::uint64_t order = 0;
  SimEventKind kind{};
  std::uint8_t part = 0;
  std::uint32_t id = 0;
  std::uint64_t amount = 0;
};

class SimEvents {
 public:
  void push(SimEvent event) {
    event.order = ++order_;
    heap_.push_back(event);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  TimePoint next() const noexcept { return heap_.empty() ? never : heap_.front().at; }
  SimEvent pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const SimEvent event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  static bool later(const SimEvent& a, const SimEvent& b) noexcept {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
  std::vector<SimEvent> heap_;
  std::uint64_t order_ = 0;
};

enum class SimNote : std::uint8_t {
  listen,
  connect,
  connected,
  accept,
  send,
  arrive,
  receive,
  shutdown,
  fin,
  close,
  reset,
  fault,
  cancel,
  cancelled,
  starve,
  timer,
  deadlock,
};

class SimTrace {
 public:
  void note(TimePoint now, SimNote what, std::uint64_t id, std::uint64_t part,
            std::int64_t amount) {
    fold(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    fold((id << 16) | (part << 8) | static_cast<std::uint64_t>(what));
    fold(static_cast<std::uint64_t>(amount));
    if (sink) write(now, what, id, part, amount);
  }
  std::uint64_t hash() const noexcept { return hash_; }

  std::move_only_function<void(const std::string&)> sink;

 private:
  void fold(std::uint64_t value) noexcept { hash_ = Random(hash_ ^ value).next(); }
  void write(TimePoint now, SimNote what, std::uint64_t id, std::uint64_t part,
             std::int64_t amount);
  std::uint64_t hash_ = 0;
};

struct SimWorld {
  explicit SimWorld(const SimOptions& with) : options(with), random(with.seed) {}

  bool draw(unsigned per_mille) noexcept {
    return per_mille != 0 && random.below(1000) < per_mille;
  }
  Nanoseconds span(Nanoseconds from, Nanoseconds to) noexcept {
    if (to <= from) return from;
    return from + Nanoseconds(random.below(static_cast<std::uint64_t>((to - from).count()) + 1));
  }
  Nanoseconds delay() noexcept {
    return draw(options.stall) ? span(options.delay_max, options.stall_max)
                               : span(options.delay_min, options.delay_max);
  }
  // From an operation's being possible to its end: often none.
  Nanoseconds latency() noexcept {
    return random.chance(1, 2) ? Nanoseconds(0) : span(Nanoseconds(0), options.latency_max);
  }
  void note(SimNote what, std::uint64_t id, std::uint64_t part, std::int64_t amount = 0) {
    trace.note(now, what, id, part, amount);
  }

  const SimOptions options;
  Random random;
  TimePoint now{std::chrono::hours(1)};
  SimEvents events;
  SimTrace trace;
};

}  // namespace polyio
