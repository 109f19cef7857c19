// QueueCore: the protocol of Queue, on memory that processes share: a ring of bytes between two
// positions. The rule: each side does its work in private and publishes it by one store, so a
// killed process has done all or nothing and there is nothing to repair. Producers take turns by
// one robust mutex, consumers by another, which Linux hands on when its holder is killed. Only the
// holder sleeps, on a word that says so, so one put wakes at most once. What is read from the
// memory is checked before use: damage is an error, never a read out of bounds.
#pragma once

#include <bit>
#include <climits>
#include <cstddef>
#include <cstring>
#include <polyio/queue/queue_position.hpp>
#include <polyio/queue/queue_producers.hpp>
#include <span>

namespace polyio::ipc {

// What lies at the start of the memory; the ring's bytes follow. Each cache line is written by one
// side, except for the asleep flags, which change rarely.
template <class K>
struct QueueState {
  explicit QueueState(const QueueShape& made) noexcept : shape(made) {}

  QueueShape shape;                     // never changes; each process keeps its checked copy
  alignas(64) Word<K> consumer_asleep;  // 1: a put wakes the sleepers on this word
  Word<K> producer_asleep;              // 1: a take does
  Word<K> is_closed;
  alignas(64) BasicMutex<K> put_lock;
  Word<K, std::uint64_t> seen_head;  // under put_lock: head was at least here
  alignas(64) Word<K, std::uint64_t> tail;
  alignas(64) BasicMutex<K> get_lock;
  Word<K, std::uint64_t> seen_tail;  // under get_lock
  alignas(64) Word<K, std::uint64_t> head;
  alignas(64) QueueProducers<K> producers;
};

// One process's view of it.
template <class K>
class QueueCore {
  using Bytes = std::span<const std::byte>;

 public:
  // Whether its words belong to this process alone (FUTEX_PRIVATE_FLAG).
  static constexpr bool is_private = std::is_same_v<K, ThreadKernel>;

  QueueCore() = default;
  // How much memory such a queue takes.
  static std::size_t size_of(const QueueShape& shape) noexcept {
    return sizeof(QueueState<K>) + shape.capacity;
  }
  // Makes an empty one in memory of that size, aligned to 64 bytes.
  static void make(void* memory, const QueueShape& shape) noexcept {
    new (memory) QueueState<K>(shape);
  }
  // The queue that lies in `size` bytes. Errors: EBADMSG, there is none.
  static Result<QueueCore> of(void* memory, std::size_t size) noexcept {
    if (size < sizeof(QueueState<K>)) return fail(EBADMSG);
    auto* const state = static_cast<QueueState<K>*>(memory);
    const QueueShape shape = state->shape;
    if (!shape.can_be() || size_of(shape) != size) return fail(EBADMSG);
    return QueueCore(state, shape);
  }

  // Appends. Deadline::min(): never waits. Errors: timed_out, it is full or another producer is at
  // work; EPIPE, closed; EMSGSIZE, longer than the limit; EBADMSG, damaged.
  Result<> put(Bytes bytes, Deadline deadline) noexcept {
    if (bytes.size() > shape_.largest) return fail(EMSGSIZE);
    auto held = state_->put_lock.hold_inside(deadline);
    if (!held) return fail(held.error());
    const std::uint64_t tail = state_->tail.load(std::memory_order_relaxed);
    const std::uint32_t units = Record::units(bytes.size());
    if (auto room = wait_for_room(tail, units, deadline); !room) {
      held->unlock();
      before_looking();
      rouse(state_->consumer_asleep);  // a consumer may wait for the last put before the end
      return room;
    }
    write(tail, bytes);
    state_->tail.store(Position::after(tail, units), std::memory_order_release);
    held->unlock();
    before_looking();
    rouse(state_->consumer_asleep);
    if (asleep(state_->producer_asleep) && can_put()) rouse(state_->producer_asleep);
    return {};
  }

  // Calls `visit(first, second)` with the next message's bytes, in two parts where they wrap at the
  // ring's end. The message is removed once that has returned, not if it throws. Deadline::min():
  // never waits. Errors: timed_out, it is empty or another consumer is at work; end_of_file, it is
  // empty, and closed or without a living producer; EBADMSG, damaged.
  template <class Visit>
  Result<> take(Visit&& visit, Deadline deadline) {
    auto held = state_->get_lock.hold_inside(deadline);
    if (!held) return fail(held.error());
    const std::uint64_t head = state_->head.load(std::memory_order_relaxed);
    auto used = wait_for_message(head, deadline);
    if (!used) return fail(used.error());
    const std::size_t at = offset(Position::units(head));
    Record record;
    std::memcpy(&record, ring() + at, sizeof record);
    if (!record.can_be(shape_.largest) || Record::units(record.length) > *used) {
      return fail(EBADMSG);
    }
    const std::size_t start = offset(Position::units(head) + 1);
    const std::size_t first = std::min<std::size_t>(record.length, shape_.capacity - start);
    visit(Bytes(ring() + start, first), Bytes(ring(), record.length - first));
    state_->head.store(Position::after(head, Record::units(record.length)),
                       std::memory_order_release);
    held->unlock();
    before_looking();
    rouse(state_->producer_asleep);
    if (asleep(state_->consumer_asleep) && size() > 0) rouse(state_->consumer_asleep);
    return {};
  }

  // From now on puts fail, and gets too once it is empty. For good.
  void close() noexcept {
    state_->is_closed.store(1);
    rouse(state_->consumer_asleep);
    rouse(state_->producer_asleep);
  }
  bool closed() const noexcept { return state_->is_closed.load() != 0; }
  // How many messages it held a moment ago.
  std::uint32_t size() const noexcept {
    const std::uint64_t head = state_->head.load();
    return Position::messages(head, state_->tail.load());
  }
  // Where the next message lies: what take() is going to move.
  std::uint64_t head() const noexcept { return state_->head.load(); }
  const QueueShape& shape() const noexcept { return shape_; }

  // Counts the calling process as a producer, `handles` times. Errors: ENOSPC, no room for more.
  Result<> add_producer(std::uint32_t handles, bool anew) noexcept {
    return state_->producers.add(handles, anew);
  }
  void remove_producer() noexcept {
    if (state_->producers.remove()) rouse(state_->consumer_asleep);
  }
  // Whether the producers have come and none is left. Asks the system about them now and then.
  bool ended(Deadline deadline) noexcept {
    return state_->producers.ended(shape_.producers, deadline);
  }

  // For a thread that sleeps on many queues at once: arm...() sets the word to 1, and it stays 1
  // until the other side wakes its sleepers; after arming, look whether it can be done already.
  const std::atomic<std::uint32_t>& arm_get() noexcept {
    state_->consumer_asleep.store(1);
    return state_->consumer_asleep.futex();
  }
  const std::atomic<std::uint32_t>& arm_put() noexcept {
    state_->producer_asleep.store(1);
    return state_->producer_asleep.futex();
  }
  // How many messages can be got now; none while a consumer is at work, which wakes us at its end.
  std::uint32_t can_get() noexcept {
    if (state_->get_lock.locked()) return 0;
    if (const std::uint32_t there = size()) return there;
    return at_end() || ended(Deadline::min()) ? UINT32_MAX : 0;
  }
  bool can_put(std::size_t bytes = 0) const noexcept {
    return closed() || (!state_->put_lock.locked() &&
                        has_room(state_->tail.load(), state_->head.load(), Record::units(bytes)));
  }

 private:
  QueueCore(QueueState<K>* state, const QueueShape& shape) noexcept
      : state_(state), shape_(shape) {}

  std::byte* ring() const noexcept { return reinterpret_cast<std::byte*>(state_ + 1); }
  std::size_t offset(std::uint32_t units) const noexcept {
    return (std::size_t{units} * Record::unit) & (shape_.capacity - 1);
  }
  std::uint32_t capacity_units() const noexcept {
    return static_cast<std::uint32_t>(shape_.capacity / Record::unit);
  }
  void write(std::uint64_t tail, Bytes bytes) noexcept {
    const Record record(static_cast<std::uint32_t>(bytes.size()));
    std::memcpy(ring() + offset(Position::units(tail)), &record, sizeof record);
    const std::size_t start = offset(Position::units(tail) + 1);
    const std::size_t first = std::min<std::size_t>(bytes.size(), shape_.capacity - start);
    if (first > 0) std::memcpy(ring() + start, bytes.data(), first);
    if (bytes.size() > first) std::memcpy(ring(), bytes.data() + first, bytes.size() - first);
  }
  bool has_room(std::uint64_t tail, std::uint64_t head, std::uint32_t units) const noexcept {
    const std::uint32_t used = Position::units(tail) - Position::units(head);
    return used <= capacity_units() && capacity_units() - used >= units &&
           (shape_.messages == 0 || Position::messages(head, tail) < shape_.messages);
  }
  // Store-load fence (Dekker): either the sleeper sees our new position, or we see its asleep flag.
  // On x86 the unlock above is a full barrier already.
  static void before_looking() noexcept {
#if !defined(__x86_64__)
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }
  static bool asleep(const Word<K>& word) noexcept { return word.load() != 0; }
  static void rouse(Word<K>& word) noexcept {
    if (asleep(word) && word.exchange(0)) K::wake(word.futex(), INT_MAX);
  }
  // Closed, and no put that began earlier is under way: it could still publish its message.
  bool at_end() const noexcept { return closed() && !state_->put_lock.locked(); }

  // Under put_lock.
  Result<> wait_for_room(std::uint64_t tail, std::uint32_t units, Deadline deadline) noexcept {
    if (closed()) return fail(EPIPE);
    if (has_room(tail, state_->seen_head.load(std::memory_order_relaxed), units)) return {};
    for (bool late = deadline == Deadline::min(), spun = false, armed = false;;) {
      const std::uint64_t head = state_->head.load();
      if (Position::units(tail) - Position::units(head) > capacity_units()) return fail(EBADMSG);
      if (closed()) return fail(EPIPE);
      if (has_room(tail, head, units)) {
        state_->seen_head.store(head, std::memory_order_relaxed);
        return {};
      }
      if (late) return fail(ETIMEDOUT);
      if (!spun) {
        spun = true;
        if (QueueSpin<K>::until_changed(state_->head.futex(), head)) continue;
      }
      if (!armed) {
        armed = true;
        state_->producer_asleep.store(1);  // then look once more
        continue;
      }
      late = K::sleep(state_->producer_asleep.futex(), 1, deadline);
      armed = spun = false;
    }
  }
  // Under get_lock. The units in use: at least one record's head.
  Result<std::uint32_t> wait_for_message(std::uint64_t head, Deadline deadline) noexcept {
    std::uint64_t tail = state_->seen_tail.load(std::memory_order_relaxed);
    if (Position::messages(head, tail) > 0) return used_units(head, tail);
    for (bool late = deadline == Deadline::min(), spun = false, armed = false, last = false;;) {
      tail = state_->tail.load();
      if (Position::messages(head, tail) > 0) {
        state_->seen_tail.store(tail, std::memory_order_relaxed);
        return used_units(head, tail);
      }
      if (last) return fail(Errc::end_of_file);
      last = at_end() || ended(deadline);
      if (last) continue;  // a message may have been put before the end
      if (late) return fail(ETIMEDOUT);
      if (!spun) {
        spun = true;
        if (QueueSpin<K>::until_changed(state_->tail.futex(), tail)) continue;
      }
      if (!armed) {
        armed = true;
        state_->consumer_asleep.store(1);
        continue;
      }
      late = K::sleep(state_->consumer_asleep.futex(), 1, deadline);
      armed = spun = false;
    }
  }
  Result<std::uint32_t> used_units(std::uint64_t head, std::uint64_t tail) const noexcept {
    const std::uint32_t used = Position::units(tail) - Position::units(head);
    if (used == 0 || used > capacity_units()) return fail(EBADMSG);
    return used;
  }

  QueueState<K>* state_ = nullptr;
  QueueShape shape_;
};

}  // namespace polyio::ipc
