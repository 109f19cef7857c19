// JobQueueCore: the protocol of JobQueue, on memory that processes share: a Queue, and a table of
// claims, one for each message that was taken and is not done. The rule: taking copies the message
// into a claim and then removes it from the queue, so at every instruction it is in one of them; if
// its taker is killed between the two it is in both, and the claim is void as long as its position
// is the queue's head. A claim is handed from one process to another under the table's lock only.
#pragma once

#include <cstring>
#include <polyio/queue/queue_core.hpp>

namespace polyio::ipc {

struct JobQueueShape {
  static constexpr std::uint32_t max_jobs = 4096;
  QueueShape queue;
  std::uint32_t jobs = 0;  // claims

  bool can_be() const noexcept { return queue.can_be() && jobs >= 1 && jobs <= max_jobs; }
};

// One process's view of it.
template <class K>
class JobQueueCore {
  enum State : std::uint32_t {
    unused,
    reserved,    // its owner waits for a message
    taken,       // the message is here, and its owner works on it
    given_back,  // the message is here, and waits for the next taker
  };
  struct alignas(64) Claim {
    Word<K> state;
    std::uint32_t length = 0;
    std::uint32_t times = 0;     // the message has been taken
    std::uint64_t position = 0;  // the queue's head when it was copied here
    os::ProcessId owner;         // the message's bytes follow
  };
  struct alignas(64) Table {
    explicit Table(const JobQueueShape& made) noexcept : shape(made) {}
    JobQueueShape shape;
    alignas(64) BasicMutex<K> lock;
    Word<K, std::uint64_t> ask_again;  // whether owners live
    Word<K> ends;                      // counts claims that became unused or were given back
    Word<K> asleep;                    // takers wait for that
  };
  using Bytes = std::span<const std::byte>;

 public:
  JobQueueCore() = default;
  static std::size_t size_of(const JobQueueShape& shape) noexcept {
    return sizeof(Table) + shape.jobs * stride(shape) + QueueCore<K>::size_of(shape.queue);
  }
  // Makes an empty one in memory of that size, zeroed and aligned to 64 bytes.
  static void make(void* memory, const JobQueueShape& shape) noexcept {
    auto* const table = new (memory) Table(shape);
    for (std::uint32_t i = 0; i < shape.jobs; ++i) new (claim_at(table, shape, i)) Claim();
    QueueCore<K>::make(claim_at(table, shape, shape.jobs), shape.queue);
  }
  // Errors: EBADMSG, there is none in these `size` bytes.
  static Result<JobQueueCore> of(void* memory, std::size_t size) noexcept {
    if (size < sizeof(Table)) return fail(EBADMSG);
    auto* const table = static_cast<Table*>(memory);
    const JobQueueShape shape = table->shape;
    if (!shape.can_be() || size_of(shape) != size) return fail(EBADMSG);
    std::byte* const behind = claim_at(table, shape, shape.jobs);
    auto queue = QueueCore<K>::of(behind, QueueCore<K>::size_of(shape.queue));
    if (!queue) return fail(queue.error());
    return JobQueueCore(table, shape, *queue);
  }

  QueueCore<K>& queue() noexcept { return queue_; }

  // The claim of a message that no other consumer has: the first that was given back or whose owner
  // has died, or else the queue's next. Deadline::min(): never waits. Errors: timed_out;
  // end_of_file, the queue has ended and nothing is claimed; EBADMSG, damaged.
  Result<std::uint32_t> take(Deadline deadline) noexcept {
    for (;;) {
      std::uint32_t seen = table_->ends.load();
      auto found = find(deadline);
      if (!found) return fail(found.error());
      if (found->has_message) return found->index;
      std::error_code error = std::make_error_code(std::errc::timed_out);
      if (found->index != none) {
        const Deadline slice = std::min(deadline, deadline_after(K::now(), recheck_every));
        auto got = fill(found->index, deadline == Deadline::min() ? deadline : slice);
        if (got) return found->index;
        error = got.error();
        claim(found->index).state.store(unused);
        const std::uint32_t ends = notify();
        if (ends == seen + 1) seen = ends;  // else another has ended, too: sleep() looks again
      }
      // One that is at work elsewhere may still come back.
      const bool at_end = error == Errc::end_of_file;
      if (at_end && !any_claimed()) return fail(error);
      if (!at_end && error != std::errc::timed_out) return fail(error);
      if (deadline == Deadline::min() || K::now() >= deadline) return fail(ETIMEDOUT);
      if (at_end || found->index == none) sleep(seen, deadline);
    }
  }
  // Of a claim that the caller has. EBADMSG: damaged.
  Result<Bytes> bytes(std::uint32_t index) const noexcept {
    const Claim& one = claim(index);
    if (one.length > shape_.queue.largest) return fail(EBADMSG);
    return Bytes(reinterpret_cast<const std::byte*>(&one + 1), one.length);
  }
  std::uint32_t times(std::uint32_t index) const noexcept { return claim(index).times; }
  // Ends a claim. No effect in a forked process, which has it only in its copy of the memory.
  void done(std::uint32_t index) noexcept { end(index, unused); }
  void give_back(std::uint32_t index) noexcept { end(index, given_back); }
  // Messages that were taken and are not done, a moment ago.
  std::uint32_t claimed() const noexcept {
    std::uint32_t sum = 0;
    for (std::uint32_t i = 0; i < shape_.jobs; ++i) sum += claim(i).state.load() >= taken;
    return sum;
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Found {
    std::uint32_t index = none;
    bool has_message = false;
  };

  JobQueueCore(Table* table, const JobQueueShape& shape, const QueueCore<K>& queue) noexcept
      : table_(table), shape_(shape), queue_(queue) {}

  static std::size_t stride(const JobQueueShape& shape) noexcept {
    return (sizeof(Claim) + shape.queue.largest + alignof(Claim) - 1) & ~(alignof(Claim) - 1);
  }
  static std::byte* claim_at(Table* table, const JobQueueShape& shape, std::uint32_t i) noexcept {
    return reinterpret_cast<std::byte*>(table + 1) + i * stride(shape);
  }
  Claim& claim(std::uint32_t i) const noexcept {
    return *reinterpret_cast<Claim*>(claim_at(table_, shape_, i));
  }

  // A claim of ours: one that has a message, or else a reserved one, or none.
  Result<Found> find(Deadline deadline) noexcept {
    auto held = table_->lock.hold_inside(deadline);
    if (!held) return fail(held.error());
    const bool ask = may_ask();
    std::uint32_t first_unused = none;
    for (std::uint32_t i = 0; i < shape_.jobs; ++i) {
      Claim& one = claim(i);
      std::uint32_t state = one.state.load();
      if ((state == reserved || state == taken) && ask && !K::alive(one.owner)) {
        // Fails where the taker of the same message has just made it void.
        const State rest = state == taken && !still_queued(one) ? given_back : unused;
        if (!one.state.compare_exchange(state, rest)) continue;
        state = rest;
      }
      if (state == unused && first_unused == none) first_unused = i;
      if (state != given_back) continue;
      ++one.times;
      one.owner = K::process();
      one.state.store(taken);
      return Found{i, true};
    }
    if (first_unused != none) {
      claim(first_unused).owner = K::process();
      claim(first_unused).state.store(reserved);
    }
    return Found{first_unused, false};
  }
  // Owners are asked about now and then, for it costs a system call each.
  bool may_ask() noexcept {
    const auto now = static_cast<std::uint64_t>(K::now().time_since_epoch().count());
    const auto span = static_cast<std::uint64_t>(Nanoseconds(recheck_every).count());
    const std::uint64_t next = table_->ask_again.load(std::memory_order_relaxed);
    if (now < next && next <= now + span) return false;
    table_->ask_again.store(now + span, std::memory_order_relaxed);
    return true;
  }
  bool still_queued(const Claim& one) const noexcept { return one.position == queue_.head(); }

  Result<> fill(std::uint32_t index, Deadline deadline) noexcept {
    Claim& mine = claim(index);
    return queue_.take(
        [&](Bytes first, Bytes second) {
          const std::uint64_t head = queue_.head();
          void_claims_at(head);
          auto* const to = reinterpret_cast<std::byte*>(&mine + 1);
          if (!first.empty()) std::memcpy(to, first.data(), first.size());
          if (!second.empty()) std::memcpy(to + first.size(), second.data(), second.size());
          mine.length = static_cast<std::uint32_t>(first.size() + second.size());
          mine.times = 1;
          mine.position = head;
          mine.state.store(taken);
        },
        deadline);
  }
  // Of takers that were killed before they had removed the message which is being taken now.
  void void_claims_at(std::uint64_t head) noexcept {
    for (std::uint32_t i = 0; i < shape_.jobs; ++i) {
      Claim& one = claim(i);
      std::uint32_t state = one.state.load();
      if (state == taken && one.position == head) one.state.compare_exchange(state, unused);
    }
  }

  void end(std::uint32_t index, State state) noexcept {
    if (!(claim(index).owner == K::process())) return;
    claim(index).state.store(state);
    (void)notify();
  }
  // How often a claim has ended by now.
  std::uint32_t notify() noexcept {
    const std::uint32_t ends = table_->ends.fetch_add(1) + 1;
    if (table_->asleep.load() && table_->asleep.exchange(0)) K::wake(table_->ends.futex(), INT_MAX);
    return ends;
  }
  void sleep(std::uint32_t seen, Deadline deadline) noexcept {
    table_->asleep.store(1);
    (void)K::sleep(table_->ends.futex(), seen,
                   std::min(deadline, deadline_after(K::now(), recheck_every)));
  }
  bool any_claimed() const noexcept { return claimed() > 0; }

  Table* table_ = nullptr;
  JobQueueShape shape_;
  QueueCore<K> queue_;
};

}  // namespace polyio::ipc
