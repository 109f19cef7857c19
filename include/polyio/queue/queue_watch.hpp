// QueueWatch: a wait for a queue that holds no thread: what co_await is made of (room exec). One
// thread of the program, the watcher, sleeps on the words of all queues that are waited for
// (futex_waitv(2)) and tells those that may try again. The rule: it only says so; whoever is told
// tries, and comes back if another was quicker.
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

  // From now on woken() is called once, by the watcher's thread, when it may be worth trying.
  // Starts that thread the first time; it stays. Errors: EAGAIN, no thread can be had.
  Result<> begin();
  // Whether woken() has been called; if not it never will be any more.
  bool end() noexcept;
  // Whether woken() has been called. Waits for a call that goes on.
  bool told() noexcept;

 protected:
  friend class QueueWatcher;
  QueueWatch() = default;
  ~QueueWatch() { end(); }

  // The word to sleep on while it is 1, and whether it is of this process alone.
  virtual const std::atomic<std::uint32_t>& arm() noexcept = 0;
  virtual bool is_private() const noexcept = 0;
  // How many of those who sleep on this word may try now.
  virtual std::uint32_t ready() noexcept = 0;
  // Under the watcher's lock: what it uses is there still.
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
    return core_.can_put(size_) ? 1 : 0;  // whoever puts and leaves room lets the next one know
  }
  void woken() noexcept override { woken_(); }

  Core& core_;
  const For for_;
  const std::size_t size_;
  Woken woken_;
};

}  // namespace polyio::ipc
