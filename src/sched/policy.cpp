#include <algorithm>
#include <array>
#include <bit>
#include <polyio/base/assert.hpp>
#include <polyio/sched/policy.hpp>
#include <stdexcept>
#include <utility>

namespace polyio::sched {
namespace {

class Fcfs final : public Policy {
 public:
  void add(Entry& entry, Cause) override { queue_.push_back(entry); }
  Entry* take() override { return queue_.pop_front(); }
  bool empty() const noexcept override { return queue_.empty(); }

 private:
  Queue queue_;
};

// Kept in order, in a queue for each power of two: an arrival passes those only that go after it
// and are about as long, which are none where the user's bursts are powers of two.
class Sjf final : public Policy {
 public:
  explicit Sjf(bool preemptive) : preemptive_(preemptive) {}
  void add(Entry& entry, Cause) override {
    const auto length = static_cast<std::uint64_t>(std::max<Span>(entry.burst, 0));
    const auto at = static_cast<std::size_t>(std::bit_width(length));
    shortest_ = std::min(shortest_, at);
    Queue& queue = queues_[at];
    Entry* before = queue.back();
    while (before && goes_first(entry, *before)) before = queue.previous(*before);
    before ? queue.insert_after(*before, entry) : queue.push_front(entry);
  }
  Entry* take() override {
    Entry* const entry = first();
    if (entry) entry->unlink();
    return entry;
  }
  bool gives_way(const Entry& running) const override {
    const Entry* const shortest = first();
    return preemptive_ && shortest && shortest->burst < running.burst;
  }
  bool empty() const noexcept override { return !first(); }

 private:
  Entry* first() const noexcept {
    while (shortest_ < queues_.size() && queues_[shortest_].empty()) ++shortest_;
    return shortest_ < queues_.size() ? queues_[shortest_].front() : nullptr;
  }
  static bool goes_first(const Entry& a, const Entry& b) {
    return a.burst < b.burst || (a.burst == b.burst && a.rank < b.rank);
  }
  const bool preemptive_;
  std::array<Queue, 64> queues_;
  mutable std::size_t shortest_ = 0;  // no queue before it has any
};

class RoundRobin final : public Policy {
 public:
  explicit RoundRobin(Span quantum) : quantum_(quantum) {
    if (quantum <= 0) throw std::invalid_argument("a quantum is more than 0");
  }
  void add(Entry& entry, Cause) override {
    entry.used = 0;
    queue_.push_back(entry);
  }
  Entry* take() override { return queue_.pop_front(); }
  Span quantum(const Entry& running) const override { return quantum_ - running.used; }
  void ran(Entry& running, Span span) override {
    running.burst -= span;
    running.used += span;
  }
  bool empty() const noexcept override { return queue_.empty(); }

 private:
  const Span quantum_;
  Queue queue_;
};

// Queues of falling priority; a subclass says which one a job belongs to.
class Levels : public Policy {
 public:
  Entry* take() override {
    for (Queue& queue : queues_) {
      if (Entry* const first = queue.pop_front()) return first;
    }
    return nullptr;
  }
  Span quantum(const Entry& running) const override {
    const Span whole = quanta_[running.level];
    return whole == unlimited ? unlimited : whole - running.used;
  }
  void ran(Entry& running, Span span) override {
    running.burst -= span;
    running.used += span;
  }
  bool empty() const noexcept override {
    return std::ranges::all_of(queues_, [](const Queue& queue) { return queue.empty(); });
  }

 protected:
  explicit Levels(std::vector<Span> quanta) : quanta_(std::move(quanta)), queues_(quanta_.size()) {
    if (quanta_.empty()) throw std::invalid_argument("there is at least one level");
    for (const Span quantum : quanta_) {
      if (quantum <= 0) throw std::invalid_argument("a quantum is more than 0");
    }
  }
  std::uint32_t last() const noexcept { return static_cast<std::uint32_t>(queues_.size() - 1); }
  bool ready_above(std::uint32_t level) const {
    return std::any_of(queues_.begin(), queues_.begin() + level,
                       [](const Queue& queue) { return !queue.empty(); });
  }

  const std::vector<Span> quanta_;
  std::vector<Queue> queues_;
};

class Mlfq final : public Levels {
 public:
  explicit Mlfq(std::vector<Span> quanta) : Levels(std::move(quanta)) {}
  void add(Entry& entry, Cause cause) override {
    if (cause == Cause::created) entry.level = 0;
    if (cause == Cause::expired) entry.level = std::min(entry.level + 1, last());
    if (cause != Cause::preempted) entry.used = 0;
    queues_[entry.level].push_back(entry);
  }
  bool gives_way(const Entry& running) const override { return ready_above(running.level); }
  void boost(Entry* running) override {
    if (running) rise(*running);
    for (Queue& queue : queues_) {
      for (Entry* one = queue.front(); one; one = queue.next(*one)) rise(*one);
      if (&queue != &queues_.front()) queues_.front().splice_back(queue);
    }
  }

 private:
  static void rise(Entry& entry) {
    entry.level = 0;
    entry.used = 0;
  }
};

class ByCause final : public Levels {
 public:
  explicit ByCause(const CauseQueues& queues) : ByCause(in_order(queues)) {}
  void add(Entry& entry, Cause cause) override {
    entry.level = level_of_[static_cast<std::size_t>(cause)];
    entry.used = 0;
    queues_[entry.level].push_back(entry);
  }

 private:
  struct Order {
    std::vector<Span> quanta;
    std::array<std::uint32_t, causes> level_of{};
  };
  explicit ByCause(Order order) : Levels(std::move(order.quanta)), level_of_(order.level_of) {}
  // Causes of one priority keep queues of their own, in the order in which Cause lists them.
  static Order in_order(const CauseQueues& queues) {
    const std::array<CauseQueue, causes> all{queues.created, queues.unblocked, queues.expired,
                                             queues.preempted};
    std::array<std::size_t, causes> sorted{0, 1, 2, 3};
    std::ranges::sort(sorted, {},
                      [&](std::size_t cause) { return std::pair(all[cause].priority, cause); });
    Order order;
    for (const std::size_t cause : sorted) {
      order.level_of[cause] = static_cast<std::uint32_t>(order.quanta.size());
      order.quanta.push_back(all[cause].quantum);
    }
    return order;
  }
  const std::array<std::uint32_t, causes> level_of_;
};

}  // namespace

std::unique_ptr<Policy> make_fcfs() { return std::make_unique<Fcfs>(); }
std::unique_ptr<Policy> make_sjf(bool preemptive) { return std::make_unique<Sjf>(preemptive); }
std::unique_ptr<Policy> make_round_robin(Span quantum) {
  return std::make_unique<RoundRobin>(quantum);
}
std::unique_ptr<Policy> make_mlfq(std::vector<Span> quanta) {
  return std::make_unique<Mlfq>(std::move(quanta));
}
std::unique_ptr<Policy> make_by_cause(const CauseQueues& queues) {
  return std::make_unique<ByCause>(queues);
}

Span quantum_for(Span response, std::size_t processes, Span switch_cost) {
  const auto turns = static_cast<Span>(std::max<std::size_t>(processes, 1));
  return std::max<Span>(response / turns - switch_cost, 1);
}

std::vector<Span> doubling_quanta(Span quantum, std::size_t levels) {
  std::vector<Span> quanta;
  for (std::size_t level = 0; level < levels; ++level) {
    quanta.push_back(quantum);
    if (quantum <= unlimited / 2) quantum *= 2;
  }
  return quanta;
}

}  // namespace polyio::sched
