// Mutex and RLock: mutual exclusion between processes (polyio::ipc) or between the threads of one
// (polyio::threads). An ipc::Mutex lies in memory that all of them share (Shared<T>) and survives
// its holder: if that is killed, at any instruction, Linux hands the mutex on at once, and the next
// holder learns (Previous::died) that what it protects may be half written. It belongs to the
// thread that locked it, must not move, and must not be unmapped while held. Cost, uncontended: one
// locked instruction each way and no system call; contended: one futex(2) to wait, one to wake.
#pragma once

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <polyio/base/result.hpp>
#include <polyio/ipc/kernel.hpp>
#include <polyio/ipc/lock_order.hpp>
#include <utility>

namespace polyio::ipc {

// How the previous holder let go.
enum class Previous : bool { released, died };

// A futex word with an owner, as Linux wants it: thread id and two bits. Mutexes are made of it.
// When the owner dies, Linux replaces its id by owner_died and wakes a waiter; when a woken waiter
// dies while the word is free, Linux wakes the next.
template <class K>
class RobustWord {
 public:
  RobustWord() = default;
  RobustWord(const RobustWord&) = delete;
  RobustWord& operator=(const RobustWord&) = delete;

  // Forgets its lock order: the address will be reused. Words in shared memory have no last user
  // that could do that.
  ~RobustWord()
    requires std::same_as<K, ThreadKernel>
  {
    if (__builtin_expect(lock_order::enabled(), 0)) lock_order::forget(this);
  }
  ~RobustWord() = default;

  // Whether a thread's limit counts: not for the primitives' own short sections, of which a thread
  // is in a few at most. There is room for these, so that they can let go at the limit too.
  enum class Limit : bool { counts, spares };
  // Errors: EDEADLK, this thread has it; timed_out; ENOLCK, it has as many as Linux would hand on.
  Result<Previous> lock(Deadline deadline = never, Limit limit = Limit::counts) noexcept {
    if (__builtin_expect(lock_order::enabled(), 0)) return lock_watched(deadline, limit);
    return lock_now(deadline, limit);
  }
  // Errors: EAGAIN, another has it.
  Result<Previous> try_lock() noexcept {
    auto locked = lock(Deadline::min());
    if (!locked && locked.error() == std::errc::timed_out) return fail(EAGAIN);
    return locked;
  }
  // Errors: EPERM, this thread has not locked it.
  Result<> unlock() noexcept {
    if (__builtin_expect(!mine(), 0)) return fail(EPERM);
    if (__builtin_expect(lock_order::enabled(), 0)) lock_order::detail::unlocking(this);
    K::begin_list_op(node_);
    K::delist(node_);
    if (word_.exchange(0, std::memory_order_release) & waiters) K::wake(word_.futex(), 1);
    K::end_list_op();
    return {};
  }
  bool mine() const noexcept {
    return (word_.load(std::memory_order_relaxed) & owner_mask) == K::self();
  }
  // Whether it was locked a moment ago.
  bool locked() const noexcept { return (word_.load(std::memory_order_relaxed) & owner_mask) != 0; }

 private:
  static constexpr std::uint32_t waiters = 0x80000000, owner_died = 0x40000000,
                                 owner_mask = 0x3fffffff;  // FUTEX_WAITERS and so on

  Result<Previous> lock_now(Deadline deadline, Limit limit) noexcept {
    const std::uint32_t me = K::self();
    if (__builtin_expect(!K::list_has_room(), 0) && limit == Limit::counts) {
      return fail(mine() ? EDEADLK : ENOLCK);
    }
    K::begin_list_op(node_);
    std::uint32_t seen = 0;
    if (__builtin_expect(!word_.compare_exchange(seen, me, std::memory_order_acquire), 0)) {
      return lock_contended(me, seen, deadline);
    }
    K::enlist(node_);
    K::end_list_op();
    return Previous::released;
  }
  Result<Previous> lock_contended(std::uint32_t me, std::uint32_t seen, Deadline deadline) noexcept;
  // Sleeps while the word is `seen`. True: the deadline has passed.
  bool sleep(std::uint32_t seen, Deadline deadline) noexcept {
    if constexpr (!requires { K::has_ended(seen); }) return K::sleep(word_.futex(), seen, deadline);
    const Deadline slice = deadline_after(K::now(), recheck_every);
    return K::sleep(word_.futex(), seen, std::min(deadline, slice)) && K::now() >= deadline;
  }
  // Does what Linux does when it knows that the owner has ended. False: it has not, or Linux does.
  bool hand_on(std::uint32_t seen) noexcept {
    if constexpr (requires { K::has_ended(seen); }) {
      return K::has_ended(seen & owner_mask) &&
             word_.compare_exchange(seen, (seen & waiters) | owner_died);
    }
    return false;
  }
  // A try can't deadlock, so only what it holds afterwards counts.
  [[gnu::noinline]] Result<Previous> lock_watched(Deadline deadline, Limit limit) noexcept {
    if (deadline != Deadline::min()) lock_order::detail::before_wait(this);
    auto locked = lock_now(deadline, limit);
    if (locked) lock_order::detail::locked(this);
    return locked;
  }

  Word<K> word_;
  std::uint32_t unused_[5] = {};
  RobustNode node_;
};

template <class K>
Result<Previous> RobustWord<K>::lock_contended(std::uint32_t me, std::uint32_t seen,
                                               Deadline deadline) noexcept {
  // After a sleep the word is taken with the waiters' bit: others may still sleep.
  std::uint32_t others = 0;
  for (;;) {
    if ((seen & owner_mask) == 0) {
      if (!word_.compare_exchange(seen, me | others | (seen & waiters),
                                  std::memory_order_acquire)) {
        continue;
      }
      K::enlist(node_);
      K::end_list_op();
      return seen & owner_died ? Previous::died : Previous::released;
    }
    if ((seen & owner_mask) == me) break;
    if ((others || deadline == Deadline::min()) && hand_on(seen)) {
      seen = word_.load(std::memory_order_relaxed);
      continue;
    }
    if (deadline == Deadline::min()) break;
    if (!(seen & waiters)) {
      if (!word_.compare_exchange(seen, seen | waiters, std::memory_order_relaxed)) continue;
      seen |= waiters;
    }
    if (sleep(seen, deadline)) {
      seen = word_.load(std::memory_order_relaxed);
      if ((seen & owner_mask) != 0) break;
      others = waiters;
      continue;
    }
    others = waiters;
    seen = word_.load(std::memory_order_relaxed);
  }
  K::end_list_op();
  if ((seen & owner_mask) == me) return fail(EDEADLK);
  return fail(ETIMEDOUT);
}

// Holds a lockable for as long as it lives.
template <class Lockable>
class [[nodiscard]] Hold {
 public:
  // For a lockable that this thread has just locked.
  Hold(Lockable& lockable, Previous previous) noexcept
      : lockable_(&lockable), previous_(previous) {}
  Hold(Hold&& other) noexcept
      : lockable_(std::exchange(other.lockable_, nullptr)), previous_(other.previous_) {}
  Hold& operator=(Hold&& other) noexcept {
    unlock();
    lockable_ = std::exchange(other.lockable_, nullptr);
    previous_ = other.previous_;
    return *this;
  }
  ~Hold() { unlock(); }
  Previous previous() const noexcept { return previous_; }
  // Lets go early.
  void unlock() noexcept {
    if (lockable_) (void)std::exchange(lockable_, nullptr)->unlock();
  }

 private:
  Lockable* lockable_;
  Previous previous_;
};

template <class K>
class BasicMutex {
 public:
  // Returns once the calling thread holds it. Previous::died: the last holder was killed. Unlocking
  // declares the state whole again; if this holder dies first, the next one gets Previous::died
  // too. Errors: EDEADLK, this thread holds it already; timed_out; ENOLCK, this thread holds 2,000
  // others in shared memory, and Linux would not hand on one more.
  Result<Previous> lock(Deadline deadline = never) noexcept { return word_.lock(deadline); }
  // Without waiting. Errors: EAGAIN, another holds it; EDEADLK.
  Result<Previous> try_lock() noexcept {
    auto locked = word_.try_lock();
    if (!locked && word_.mine()) return fail(EDEADLK);
    return locked;
  }
  // Errors: EPERM, the calling thread does not hold it.
  Result<> unlock() noexcept { return word_.unlock(); }
  // `auto held = mutex.hold();` locks it to the end of the block.
  Result<Hold<BasicMutex>> hold(Deadline deadline = never) noexcept {
    auto locked = lock(deadline);
    if (!locked) return fail(locked.error());
    return Hold<BasicMutex>(*this, *locked);
  }
  // The same for a primitive's own short section: a thread that holds 2,000 others gets it too.
  Result<Hold<BasicMutex>> hold_inside(Deadline deadline = never) noexcept {
    auto locked = word_.lock(deadline, RobustWord<K>::Limit::spares);
    if (!locked) return fail(locked.error());
    return Hold<BasicMutex>(*this, *locked);
  }
  bool locked() const noexcept { return word_.locked(); }
  bool mine() const noexcept { return word_.mine(); }

 private:
  RobustWord<K> word_;
};

// A mutex that its holder may lock again; it is free once it was unlocked as often.
template <class K>
class BasicRLock {
 public:
  // As Mutex::lock(), but the holder gets it at once. Errors: timed_out; EAGAIN, locked 2^32 - 1
  // times.
  Result<Previous> lock(Deadline deadline = never) noexcept {
    if (word_.mine()) {
      if (depth_ == UINT32_MAX) return fail(EAGAIN);
      ++depth_;
      return Previous::released;
    }
    auto locked = word_.lock(deadline);
    if (locked) depth_ = 1;  // a killed holder may have left another number
    return locked;
  }
  // Without waiting. Errors: EAGAIN.
  Result<Previous> try_lock() noexcept {
    auto locked = lock(Deadline::min());
    if (!locked && locked.error() == std::errc::timed_out) return fail(EAGAIN);
    return locked;
  }
  // Errors: EPERM, the calling thread does not hold it.
  Result<> unlock() noexcept {
    if (!word_.mine()) return fail(EPERM);
    if (--depth_ > 0) return {};
    return word_.unlock();
  }
  Result<Hold<BasicRLock>> hold(Deadline deadline = never) noexcept {
    auto locked = lock(deadline);
    if (!locked) return fail(locked.error());
    return Hold<BasicRLock>(*this, *locked);
  }
  bool locked() const noexcept { return word_.locked(); }
  bool mine() const noexcept { return word_.mine(); }
  // How often the holder has locked it. For the holder only.
  std::uint32_t depth() const noexcept { return depth_; }

 private:
  RobustWord<K> word_;
  std::uint32_t depth_ = 0;
};

using Mutex = BasicMutex<SharedKernel>;
using RLock = BasicRLock<SharedKernel>;

extern template class RobustWord<SharedKernel>;
extern template class RobustWord<ThreadKernel>;

}  // namespace polyio::ipc

// The same for the threads of one process: cheaper, since no holder can be killed alone.
namespace polyio::threads {
using Mutex = ipc::BasicMutex<ipc::ThreadKernel>;
using RLock = ipc::BasicRLock<ipc::ThreadKernel>;
}  // namespace polyio::threads
