// QueueCore: the protocol of Queue, on memory that processes share: a ring of bytes between two
// positions. The rule: each side does its work in private and shows it by one store, so whoever is
// killed has done all or nothing and nobody repairs anything. Producers take turns by one robust
// mutex, consumers by another, which Linux hands on when its holder is killed; only the holder
// sleeps for the other side, on a word that says so, so one put wakes at most once. What is read
// from the memory is checked before it is used: damage is an error, never a read out of bounds.
#pragma once

#include <bit>
#include <climits>
#include <cstddef>
#include <cstring>
#include <polyio/queue/queue_position.hpp>
#include <polyio/queue/queue_producers.hpp>
#include <span>

namespace polyio::ipc {

// What lies at the start of the memory; the ring's bytes are behind it. Each cache line is written
// by one side, but for the words that say who sleeps, which change seldom.
template <class K>
struct QueueState {
  explicit QueueState(const QueueShape& made) noexcept : shape(made) {}

  QueueShape shape;                     // never changes; each process keeps what it has checked
  alignas(64) Word<K> consumer_asleep;  // 1: whoever puts wakes those who sleep on this word
  Word<K> producer_asleep;              // the same for whoever takes
  Word<K> is_closed;
  alignas(64) BasicMutex<K> put_lock;
  Word<K, std::uint64_t> seen_head;  // under put_lock: what head was at least
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
  // Whether its words are of this process alone (FUTEX_PRIVATE_FLAG).
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
  // That which lies in `size` bytes. Errors: EBADMSG, none does.
  static Result<QueueCore> of(void* memory, std::size_t size) noexcept {
    if (size < sizeof(QueueState<K>)) return fail(EBADMSG);
    auto* const state = static_cast<QueueState<K>*>(memory);
    const QueueShape shape = state->shape;
    if (!shape.can_be() || size_of(shape) != size) return fail(EBADMSG);
    return QueueCore(state, shape);
  }

  // Behind all that was put before. Deadline::min(): never waits. Errors: timed_out, it is full or
  // others are at it; EPIPE, closed; EMSGSIZE, longer than the limit; EBADMSG, damaged.
  Result<> put(Bytes bytes, Deadline deadline) noexcept {
    if (bytes.size() > shape_.largest) return fail(EMSGSIZE);
    auto held = state_->put_lock.hold(deadline);
    if (!held) return fail(held.error());
    const std::uint64_t tail = state_->tail.load(std::memory_order_relaxed);
    const std::uint32_t units = Record::units(bytes.size());
    if (auto room = wait_for_room(tail, units, deadline); !room) {
      held->unlock();
      before_looking();
      rouse(state_->consumer_asleep);  // who waits for the last put before the end
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

  // Calls `visit(first, second)` with the next message's bytes, in two parts where they go past the
  // ring's end; it is taken out when that has returned, not before, and not if it throws.
  // Deadline:: min(): never waits. Errors: timed_out, it is empty or others are at it; end_of_file,
  // it is empty, and closed or without a living producer; EBADMSG, damaged.
  template <class Visit>
  Result<> take(Visit&& visit, Deadline deadline) {
    auto held = state_->get_lock.hold(deadline);
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

  // From now on puts fail, and gets when what is there has been taken. For good.
  void close() noexcept {
    state_->is_closed.store(1);
    rouse(state_->consumer_asleep);
    rouse(state_->producer_asleep);
  }
  bool closed() const noexcept { return state_->is_closed.load() != 0; }
  // Messages in it a moment ago.
  std::uint32_t size() const noexcept {
    const std::uint64_t head = state_->head.load();
    return Position::messages(head, state_->tail.load());
  }
  const QueueShape& shape() const noexcept { return shape_; }

  // Counts the calling process in as a producer, `handles` times. Errors: ENOSPC, no more can be.
  Result<> add_producer(std::uint32_t handles, bool anew) noexcept {
    return state_->producers.add(handles, anew);
  }
  void remove_producer() noexcept {
    if (state_->producers.remove()) rouse(state_->consumer_asleep);
  }
  // Whether a producer was there and none is left. Asks the system about them now and then.
  bool ended(Deadline deadline) noexcept {
    return state_->producers.ended(shape_.producers, deadline);
  }

  // For those who sleep on many queues at once: after arm...() the word is 1 until somebody wakes
  // those who sleep on it, and whoever finds that it can tries.
  const std::atomic<std::uint32_t>& arm_get() noexcept {
    state_->consumer_asleep.store(1);
    return state_->consumer_asleep.futex();
  }
  const std::atomic<std::uint32_t>& arm_put() noexcept {
    state_->producer_asleep.store(1);
    return state_->producer_asleep.futex();
  }
  std::uint32_t can_get() noexcept {          // how many
    if (state_->get_lock.locked()) return 0;  // who unlocks it wakes
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
  // What was stored before is seen by whoever says after this that it sleeps; or it is seen here
  // that it does. The unlocking just before is a barrier already where a locked instruction is one.
  static void before_looking() noexcept {
#if !defined(__x86_64__)
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }
  static bool asleep(const Word<K>& word) noexcept { return word.load() != 0; }
  static void rouse(Word<K>& word) noexcept {
    if (asleep(word) && word.exchange(0)) K::wake(word.futex(), INT_MAX);
  }
  // Closed, and no put that began before is on its way: such a one may still show its message.
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
        state_->producer_asleep.store(1);  // and look once more
        continue;
      }
      late = K::sleep(state_->producer_asleep.futex(), 1, deadline);
      armed = spun = false;
    }
  }
  // Under get_lock. The units that are used, which are at least one record's head.
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
      if (last) continue;  // what was put before
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
