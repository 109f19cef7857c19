// What a LockTable keeps in shared memory: a header, and flat arrays of sessions, requests and hash
// buckets. The truth is in the slots: a session is there while `begun` is not 0, a request while
// its `state` is not 0, and each changes by one store, the last. Everything else, the chains of a
// bucket, of a session and of free slots, is derived: after a killed process the next one rebuilds
// it. All of it is touched under the header's mutex only, except a session's `wake`. Slots are
// numbered from 1, 0 is none, and numbers are checked: LockSlots returns no slot that does not
// exist.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <new>
#include <polyio/ipc/mutex.hpp>
#include <polyio/locks/lock_table.hpp>

namespace polyio::ipc {

inline constexpr auto relaxed = std::memory_order_relaxed;  // always under the mutex

// What a request holds and wants, in one word.
struct LockState {
  LockMode granted = LockMode::none;
  LockMode wanted = LockMode::none;  // none: does not wait
  LockMode asked = LockMode::none;   // of `granted`: asked for by name, not for the sake of rows
  LockMode asked_then = LockMode::none;  // when `wanted` is granted

  std::uint32_t packed() const noexcept {
    const auto at = [](LockMode mode, int shift) {
      return static_cast<std::uint32_t>(mode) << shift;
    };
    return at(granted, 0) | at(wanted, 8) | at(asked, 16) | at(asked_then, 24);
  }
  static LockState unpacked(std::uint32_t word) noexcept {
    const auto at = [=](int shift) { return static_cast<LockMode>(word >> shift & 0xff); };
    return {at(0), at(8), at(16), at(24)};
  }
  bool valid() const noexcept {
    return std::ranges::all_of(std::array{granted, wanted, asked, asked_then},
                               [](LockMode mode) { return mode <= LockMode::X; });
  }
};

template <class K>
struct LockSession {
  Word<K, std::uint64_t> begun;  // 0: a free slot; sessions are numbered as they begin
  Word<K, std::uint64_t> started;
  Word<K> pid, thread;  // with `started` the process; thread as the kernel numbers it
  Word<K> doomed;       // chosen to give way, and has not yet released everything
  Word<K> wake;         // the futex word it sleeps on
  Word<K> waiting;      // the request it waits for; derived
  Word<K> first;        // of its requests; derived
  std::array<char, Resource::longest_name + 1> name;
  Word<K> cycle_length;  // of the deadlock for which it was chosen
  std::array<DeadlockLink, Deadlock::longest> cycle;
};

template <class K>
struct LockRequest {
  Word<K> state;  // LockState; 0: a free slot
  Word<K> session;
  Word<K, std::uint64_t> ticket;  // its place in the queue, of a request that waits
  Resource what;
  Word<K> next, previous;                        // in its bucket; `next` of free ones; derived
  Word<K> next_of_session, previous_of_session;  // derived
};

template <class K>
struct LockHeader {
  Word<K> magic;  // written last
  Word<K> sessions, locks;
  Word<K> broken;  // the memory was found damaged
  Word<K, std::uint64_t> next_session, next_ticket;
  Word<K> free;  // derived
  BasicMutex<K> mutex;
};

// The arrays in place, and their sizes, which are not read from the memory again.
template <class K>
class LockSlots {
 public:
  using Session = LockSession<K>;
  using Request = LockRequest<K>;
  static constexpr std::uint32_t magic = 0x504c5431;  // "PLT1"

  // The bytes it takes. `limits` within LockTableLimits::max_....
  static std::size_t bytes(LockTableLimits limits) noexcept {
    return sizeof(LockHeader<K>) + limits.sessions * sizeof(Session) +
           limits.locks * sizeof(Request) + std::bit_ceil(limits.locks) * sizeof(Word<K>);
  }
  // In zeroed memory that outlives this, aligned for anything.
  LockSlots(void* memory, LockTableLimits limits) noexcept
      : limits_(limits),
        header_(static_cast<LockHeader<K>*>(memory)),
        sessions_(reinterpret_cast<Session*>(header_ + 1)),
        requests_(reinterpret_cast<Request*>(sessions_ + limits.sessions)),
        buckets_(reinterpret_cast<Word<K>*>(requests_ + limits.locks)),
        mask_(std::bit_ceil(limits.locks) - 1) {}
  // Makes it an empty table. Only the caller may know the memory yet.
  void format() noexcept {
    ::new (header_) LockHeader<K>();
    for (std::uint32_t i = 0; i < limits_.sessions; ++i) ::new (sessions_ + i) Session();
    for (std::uint32_t i = 0; i < limits_.locks; ++i) ::new (requests_ + i) Request();
    for (std::uint32_t i = 0; i <= mask_; ++i) ::new (buckets_ + i) Word<K>();
    header_->sessions.store(limits_.sessions);
    header_->locks.store(limits_.locks);
    for (std::uint32_t i = limits_.locks; i > 0; --i) {
      requests_[i - 1].next.store(header_->free.load(relaxed), relaxed);
      header_->free.store(i, relaxed);
    }
    header_->magic.store(magic);
  }
  // Whether it is a table of this size.
  bool formatted() const noexcept {
    return header_->magic.load() == magic && header_->sessions.load() == limits_.sessions &&
           header_->locks.load() == limits_.locks;
  }

  LockTableLimits limits() const noexcept { return limits_; }
  LockHeader<K>& header() const noexcept { return *header_; }
  // nullptr: there is no such slot.
  Session* session(std::uint32_t number) const noexcept {
    return number - 1 < limits_.sessions ? sessions_ + (number - 1) : nullptr;
  }
  Request* request(std::uint32_t number) const noexcept {
    return number - 1 < limits_.locks ? requests_ + (number - 1) : nullptr;
  }
  std::uint32_t number(const Session& session) const noexcept {
    return static_cast<std::uint32_t>(&session - sessions_) + 1;
  }
  std::uint32_t number(const Request& request) const noexcept {
    return static_cast<std::uint32_t>(&request - requests_) + 1;
  }
  Word<K>& bucket(const Resource& what) const noexcept { return buckets_[what.hash() & mask_]; }
  Word<K>& bucket(std::uint32_t index) const noexcept { return buckets_[index & mask_]; }
  std::uint32_t buckets() const noexcept { return mask_ + 1; }

 private:
  LockTableLimits limits_;
  LockHeader<K>* header_;
  Session* sessions_;
  Request* requests_;
  Word<K>* buckets_;
  std::uint32_t mask_;
};

}  // namespace polyio::ipc
