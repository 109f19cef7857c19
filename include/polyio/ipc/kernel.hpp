// The kernels under room ipc: what a primitive asks of the system, as a policy class. SharedKernel
// serves processes: futex words in shared memory, and the robust list by which Linux hands on what
// a killed thread held. ThreadKernel serves the threads of one process, and is cheaper. The tests
// have two more: one simulates everything in one thread, one kills the process at its n-th step.
// The rule: a primitive touches shared state only through Word and K, so that every interleaving
// and every death can be tried (set_robust_list(2), futex(2); the layout and order are those of
// Linux's Documentation/locking/robust-futexes.rst).
#pragma once

#include <atomic>
#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/linux/process_id.hpp>

namespace polyio::ipc {

// An entry of the calling thread's robust list. It lies behind its futex word, at the distance that
// glibc has registered with the kernel (RobustWord). The pointers are those of the holder's address
// space; no other process reads them.
struct RobustNode {
  void* previous = nullptr;
  void* next = nullptr;
};

// Bound on a lost wake-up: every sleep re-checks after this span. The kernel wakes a waiter when
// the owner dies, but not when a woken waiter dies after a third party took the lock.
inline constexpr Nanoseconds recheck_every = std::chrono::milliseconds(50);

// A thread's robust list, glibc's (struct robust_list_head): an entry is the address of a `next`.
struct RobustList {
  void* first;
  long offset;  // from an entry to its futex word
  void* pending;
};

// What SharedKernel knows of the calling thread.
struct ThreadSelf {
  std::uint32_t id = 0;    // gettid(2); 0: not asked yet
  std::uint32_t held = 0;  // entries of ours on `list`
  RobustList* list = nullptr;
};
extern constinit thread_local ThreadSelf thread_self;
// What it points to is not 0 in a process that has asked: a forked one's is 0 again. That is the
// kernel's doing (MADV_WIPEONFORK), because _Fork(3) and clone(2) run no handler.
extern constinit std::atomic<std::atomic<std::uint32_t>*> process_mark;

class SharedKernel {
 public:
  // The calling thread, as the kernel compares it with a word's owner: never 0, below 2^30.
  static std::uint32_t self() noexcept {
    const std::uint32_t id = thread_self.id;
    const bool asked =
        id != 0 &&
        process_mark.load(std::memory_order_relaxed)->load(std::memory_order_relaxed) != 0;
    return __builtin_expect(asked, 1) ? id : ask_self();
  }
  // Comes before every access that another process may see; the tests' kernels switch or kill here.
  static void shared_step() noexcept {}

  // Until end_list_op(): should this thread die, Linux looks at this node's word too, even when it
  // is not on the list yet or any more (list_op_pending). Call self() before.
  static void begin_list_op(RobustNode& node) noexcept {
    thread_self.list->pending = entry(node.next);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  static void end_list_op() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    thread_self.list->pending = nullptr;
  }
  // Linux hands on the 2,048 locks that a dead thread took last (ROBUST_LIST_LIMIT). The 48 left
  // are for the primitives' own mutexes and for glibc's robust ones. Call self() before.
  static constexpr std::uint32_t max_held = 2000;
  static bool list_has_room() noexcept { return thread_self.held < max_held; }
  // Puts the node on the list, takes it off: as glibc does with its own mutexes on the same list.
  static void enlist(RobustNode& node) noexcept {
    RobustList& list = *thread_self.list;
    node.next = list.first;
    node.previous = entry(list.first);
    before(node.next) = entry(node.next);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    list.first = entry(node.next);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ++thread_self.held;
  }
  static void delist(RobustNode& node) noexcept {
    before(node.next) = node.previous;
    *static_cast<void**>(untagged(node.previous)) = node.next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    --thread_self.held;
  }

  // FUTEX_WAIT: sleeps while the word is `expected`, for recheck_every at most. True: the deadline
  // has passed. Wakes spuriously.
  static bool sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                    Deadline deadline) noexcept;
  static void wake(const std::atomic<std::uint32_t>& word, int count) noexcept;
  static TimePoint now() noexcept { return monotonic_now(); }

  static os::ProcessId process() noexcept { return os::this_process(); }
  static bool alive(const os::ProcessId& process) noexcept { return os::is_alive(process); }

 private:
  static std::uint32_t ask_self() noexcept;
  // PI mutexes of glibc's are marked in an entry's lowest bit.
  static void* untagged(void* tagged) noexcept {
    return static_cast<char*>(tagged) - (reinterpret_cast<std::uintptr_t>(tagged) & 1);
  }
  static void* entry(void*& next) noexcept { return static_cast<void*>(&next); }
  static void*& before(void* tagged) noexcept { return static_cast<void**>(untagged(tagged))[-1]; }
};

class ThreadKernel {
 public:
  static std::uint32_t self() noexcept { return SharedKernel::self(); }
  static void shared_step() noexcept {}
  static void begin_list_op(RobustNode&) noexcept {}
  static void end_list_op() noexcept {}
  static bool list_has_room() noexcept { return true; }
  static void enlist(RobustNode&) noexcept {}
  static void delist(RobustNode&) noexcept {}
  // There is no list by which Linux could hand on what a thread held that has ended: those that
  // wait ask about it. (A number that was reused meanwhile is taken for the old one.)
  static bool has_ended(std::uint32_t thread) noexcept;
  static bool sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                    Deadline deadline) noexcept;
  static void wake(const std::atomic<std::uint32_t>& word, int count) noexcept;
  static TimePoint now() noexcept { return monotonic_now(); }
  static os::ProcessId process() noexcept { return os::this_process(); }
  static bool alive(const os::ProcessId&) noexcept { return true; }
};

// A word of shared memory: std::atomic, each access of which is a step of K.
template <class K, class T = std::uint32_t>
class Word {
 public:
  constexpr Word(T value = 0) noexcept : value_(value) {}
  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    K::shared_step();
    return value_.load(order);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    K::shared_step();
    value_.store(value, order);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    K::shared_step();
    return value_.exchange(value, order);
  }
  T fetch_add(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    K::shared_step();
    return value_.fetch_add(value, order);
  }
  T fetch_sub(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    K::shared_step();
    return value_.fetch_sub(value, order);
  }
  bool compare_exchange(T& expected, T desired,
                        std::memory_order order = std::memory_order_seq_cst) noexcept {
    K::shared_step();
    return value_.compare_exchange_strong(expected, desired, order, std::memory_order_relaxed);
  }
  // For K's sleep and wake.
  const std::atomic<T>& futex() const noexcept { return value_; }

 private:
  std::atomic<T> value_;
  static_assert(std::atomic<T>::is_always_lock_free);
};

}  // namespace polyio::ipc
