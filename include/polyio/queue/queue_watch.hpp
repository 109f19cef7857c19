// QueueWatch: a wait for a queue that holds no thread; co_await is made of it (room exec). One
// thread of the program, the watcher, sleeps on the words of all queues that are waited for
// (futex_waitv(2)) and calls woken() when a try may succeed. The rule: it is only a hint; the
// waiter tries, and waits again if another was quicker.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>
#include <type_traits>

namespace polyio::ipc {

struct QueueWatchTag;

class QueueWatch : public ListNode<QueueWatchTag> {
 public:
  QueueWatch(const QueueWatch&) = delete;
  QueueWatch& operator=(const QueueWatch&) = delete;

  // The watcher's. A watch is looked at and changed only under it, woken() included.
  static std::mutex& mutex() noexcept;
  // From now on the watcher's thread calls woken() once, when it may be worth trying. Starts that
  // thread the first time; it stays. Errors: EAGAIN, no thread can be had.
  Result<> begin();
  // woken() will not be called any more.
  void end() noexcept { unlink(); }

 protected:
  friend class QueueWatcher;
  QueueWatch() = default;
  virtual ~QueueWatch() = default;  // ended or woken before that

  // The word to sleep on while it is 1, and whether it belongs to this process alone.
  virtual const std::atomic<std::uint32_t>& arm() noexcept = 0;
  virtual bool is_private() const noexcept = 0;
  // How many of the waiters for this word may try now.
  virtual std::uint32_t ready() noexcept = 0;
  // Called under the watcher's lock, so what it uses still exists.
  virtual void woken() noexcept = 0;
};

// For a message, or for room for one of `size` bytes.
template <class Core>
class QueueWatchOf : public QueueWatch {
 public:
  enum class For : bool { get, put };
  QueueWatchOf(Core& core, For what, std::size_t size) noexcept
      : core_(core), for_(what), size_(size) {}

 protected:
  ~QueueWatchOf() override = default;

 private:
  const std::atomic<std::uint32_t>& arm() noexcept override {
    return for_ == For::get ? core_.arm_get() : core_.arm_put();
  }
  bool is_private() const noexcept override { return Core::is_private; }
  std::uint32_t ready() noexcept override {
    if (for_ == For::get) return core_.can_get();
    return core_.can_put(size_) ? 1 : 0;  // a put that leaves room wakes the next
  }

  Core& core_;
  const For for_;
  const std::size_t size_;
};

}  // namespace polyio::ipc
