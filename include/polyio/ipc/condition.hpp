// Condition: lets a Mutex or RLock go and waits until it is notified. As with every condition
// variable, wait() may return without a notify: check what you wait for in a loop, or pass it as a
// predicate. A notifier or a waiter may be killed at any instruction: the others look again after
// recheck_every at the latest, so none of them hangs.
#pragma once

#include <climits>
#include <polyio/ipc/mutex.hpp>

namespace polyio::ipc {

template <class K>
class BasicCondition {
 public:
  // The calling thread holds `lockable`, an RLock perhaps several times; it holds it again on
  // return, also after timed_out. Previous::died: the last holder was killed. Errors: timed_out;
  // EPERM, the lockable is not held.
  template <class Lockable>
  Result<Previous> wait(Lockable& lockable, Deadline deadline = never) noexcept {
    if (!lockable.mine()) return fail(EPERM);
    const std::uint32_t seen = sequence_.load();
    std::uint32_t depth = 1;
    if constexpr (requires { lockable.depth(); }) depth = lockable.depth();
    for (std::uint32_t i = 0; i < depth; ++i) (void)lockable.unlock();
    sleepers_.fetch_add(1);
    const bool late = K::sleep(sequence_.futex(), seen, deadline);
    sleepers_.fetch_sub(1);
    auto locked = lockable.lock();
    for (std::uint32_t i = 1; i < depth; ++i) (void)lockable.lock();
    if (late && locked && *locked == Previous::released) return fail(ETIMEDOUT);
    return locked;
  }
  // The same until `holds()`, which is called with the lockable held. Previous::died as soon as a
  // holder was killed: the caller repairs what it protects and waits again.
  template <class Lockable, class Predicate>
  Result<Previous> wait(Lockable& lockable, Predicate holds, Deadline deadline = never) {
    while (!holds()) {
      auto waited = wait(lockable, deadline);
      if (!waited && waited.error() == std::errc::timed_out && holds()) break;
      if (!waited || *waited == Previous::died) return waited;
    }
    return Previous::released;
  }
  // Wakes one, or all, of those that wait now. Call it with the mutex held and no waiter misses it.
  void notify_one() noexcept { notify(1); }
  void notify_all() noexcept { notify(INT_MAX); }

 private:
  void notify(int count) noexcept {
    sequence_.fetch_add(1);
    if (sleepers_.load() > 0) K::wake(sequence_.futex(), count);
  }

  Word<K> sequence_, sleepers_;
};

using Condition = BasicCondition<SharedKernel>;

}  // namespace polyio::ipc

namespace polyio::threads {
using Condition = ipc::BasicCondition<ipc::ThreadKernel>;
}  // namespace polyio::threads
