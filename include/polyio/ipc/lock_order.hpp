// lock_order: a checked mode of Mutex and RLock, for tests and for finding out why a program hangs.
// It records in which order the threads of this process lock, and reports two orders that
// contradict each other, before the thread waits and even if no deadlock came of it this time. On
// by enable(), or from the start with POLYIO_CHECK_LOCKS=1 in the environment; off, it costs one
// load and one branch per call. It can't know that a third lock, held by all, makes both orders
// safe. Locks are known by their address: forget() those in memory that you free; those of
// polyio::threads do that themselves.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::lock_order {

// The first time a thread, holding one lock, asked for another.
struct Edge {
  std::string held, wanted;  // names, or addresses
  std::uint32_t thread = 0;  // gettid(2)
  std::vector<void*> stack;  // of return addresses, innermost first

  // The function, file and line that asked, as far as known. Takes milliseconds.
  std::string where() const;
};

// Orders that contradict each other: each edge wants what the next holds, the last what the first
// holds. The last is being asked for now.
struct Cycle {
  std::vector<Edge> edges;
  std::string text() const;  // a line for each
};

// Locks are watched from now on; one that is held already counts from its next locking. Of a thread
// that holds more than 64 locks, 64 are watched. Thread-safe, as everything here.
void enable();
// Stops watching; what was seen is forgotten, names are kept.
void disable();
inline bool enabled() noexcept;

// `handler` is called once for each cycle, by the thread that closes it, before that waits. Locks
// it takes are not watched. Without a handler, or with {}, the text goes to stderr.
void set_handler(std::function<void(const Cycle&)> handler);

void set_name(const void* lock, std::string_view name);
// `lock_order::name(left, "left key");`: what reports call it.
template <class Lock>
void name(const Lock& lock, std::string_view name) {
  set_name(&lock, name);
}
// Forgets the order and names of the locks in these bytes.
void forget(const void* memory, std::size_t bytes = 1) noexcept;

// Called by the locks themselves.
namespace detail {

extern constinit std::atomic<bool> watching;

void before_wait(const void* lock) noexcept;  // the calling thread is about to ask
void locked(const void* lock) noexcept;       // it has it
void unlocking(const void* lock) noexcept;    // it has it no more

}  // namespace detail

inline bool enabled() noexcept { return detail::watching.load(std::memory_order_relaxed); }

}  // namespace polyio::lock_order
