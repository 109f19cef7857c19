// lock_order: a checked mode of Mutex and RLock, for tests and for the hunt after a program that
// stands still. It remembers in which order the threads of this process lock, and reports when two
// orders contradict each other, before anybody waits and although it went well this time. On by
// enable(), or from the start with POLYIO_CHECK_LOCKS=1 in the environment; off, it costs one load
// and one branch per call. What it can't know: that a third lock, held by all, makes both orders
// safe. Locks are known by their address: one in memory that is given back is to be forgotten;
// those of polyio::threads see to that themselves.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::lock_order {

// That somebody, holding one lock, asked for another: as it was seen first.
struct Edge {
  std::string held, wanted;  // names, or addresses
  std::uint32_t thread = 0;  // gettid(2)
  std::vector<void*> stack;  // of return addresses, innermost first

  // The function, file and line that asked, as far as they are known. Takes milliseconds.
  std::string where() const;
};

// Orders that contradict each other: each edge wants what the next holds, the last one what the
// first holds. The last is the one that is being asked for now.
struct Cycle {
  std::vector<Edge> edges;
  std::string text() const;  // a line for each
};

// From now on locks are watched; those that are held already count from their next time on.
// Of a thread that holds more than 64, 64. Thread-safe, as everything here.
void enable();
// Not any more; all that was seen is forgotten, names are not.
void disable();
inline bool enabled() noexcept;

// What is called with each cycle, once, in the thread that closes it, before it waits. It may lock
// what it likes, unwatched. Without one, or with {}: the text goes to stderr.
void set_handler(std::function<void(const Cycle&)> handler);

void set_name(const void* lock, std::string_view name);
// `lock_order::name(left, "left key");`: what reports call it.
template <class Lock>
void name(const Lock& lock, std::string_view name) {
  set_name(&lock, name);
}
// There are no more locks in these bytes: their order and names are forgotten.
void forget(const void* memory, std::size_t bytes = 1) noexcept;

// What the locks themselves call.
namespace detail {

extern constinit std::atomic<bool> watching;

void before_wait(const void* lock) noexcept;  // the calling thread is about to ask for it
void locked(const void* lock) noexcept;       // it has it
void unlocking(const void* lock) noexcept;    // it has it no more

}  // namespace detail

inline bool enabled() noexcept { return detail::watching.load(std::memory_order_relaxed); }

}  // namespace polyio::lock_order
