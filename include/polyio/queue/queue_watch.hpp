// QueueWatch: a wait for a queue that holds no thread; co_await is made of it (room exec). One
// thread of the program, the watcher, sleeps on the words of all queues that are waited for
// (futex_waitv(2)) and calls woken() when a try may succeed. The rule: it is only a hint; the
// waiter tries, and waits again if another was quicker.
#pragma once

#include <atomic>
#include <cstdint>
#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>
#include <type_traits>

namespace polyio::ipc {

struct QueueWatchTag;

class QueueWatch : public ListNode<QueueWatchTag> {
 public:
  QueueWatch(const QueueWatch&) = delete;
  QueueWatch& operator=(const QueueWatch&) = delete;

  // From now on the watcher's thread calls woken() once, when a try may succeed. The first call
  // starts that thread, which stays. Errors: EAGAIN, the system allows no more threads.
  Result<> begin();
  // Ends the watch. Whether woken() has been called; if not, it never will be.
  bool end() noexcept;
  // Whether woken() has been called. Waits for a call under way.
  bool was_woken() noexcept;

 protected:
  friend class QueueWatcher;
  QueueWatch() = default;
  ~QueueWatch() { end(); }

  // The word to sleep on while it is 1, and whether it belongs to this process alone.
  virtual const std::atomic<std::uint32_t>& arm() noexcept = 0;
  virtual bool is_private() const noexcept = 0;
  // How many of the waiters for this word may try now.
  virtual std::uint32_t ready() noexcept = 0;
  // Called under the watcher's lock, so what it uses still exists.
  virtual void woken() noexcept = 0;
};

// For a message, or for room for one of `size` bytes.
template <class Core, class Woken>
class QueueWatchOf final : public QueueWatch {
 public:
  enum class For : bool { get, put };
  QueueWatchOf(Core& core, For what, std::size_t size, Woken woken) noexcept
      : core_(core), for_(what), size_(size), woken_(woken) {}
  ~QueueWatchOf() { end(); }

 private:
  const std::atomic<std::uint32_t>& arm() noexcept override {
    return for_ == For::get ? core_.arm_get() : core_.arm_put();
  }
  bool is_private() const noexcept override { return Core::is_private; }
  std::uint32_t ready() noexcept override {
    if (for_ == For::get) return core_.can_get();
    return core_.can_put(size_) ? 1 : 0;  // a put that leaves room wakes the next
  }
  void woken() noexcept override { woken_(); }

  Core& core_;
  const For for_;
  const std::size_t size_;
  Woken woken_;
};

}  // namespace polyio::ipc
