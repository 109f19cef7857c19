// ThreadSync: what a future, a line and a crew are made of where threads meet. The tests have
// another one, with which a seed decides who goes on (tests/exec/sim_sync.hpp).
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <polyio/os/spin.hpp>

namespace polyio::detail {

struct ThreadSync {
  using Mutex = std::mutex;
  using Condition = std::condition_variable;
  template <class T>
  using Word = std::atomic<T>;
  static std::unique_lock<Mutex> lock(Mutex& mutex) { return os::lock_spinning(mutex); }
  template <class T>
  static void spin_until_changed(const std::atomic<T>& word, T from) noexcept {
    (void)os::spin_until_changed<true>(word, from);
  }
};

}  // namespace polyio::detail
