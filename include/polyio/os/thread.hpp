// Thread: std::thread with a small stack of known size, which std::thread can't be asked for. For
// the threads that run handlers, of which there may be thousands: a coroutine's variables lie in
// its frame, so the stack holds only the calls it makes. The default would reserve 8 MiB each.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <polyio/base/sanitizers.hpp>

namespace polyio::os {

class Thread {
 public:
  // Bytes of stack; a sanitizer's frames are larger.
  static constexpr std::size_t stack_size = (POLYIO_ASAN || POLYIO_TSAN ? 1024 : 256) * 1024;

  Thread() = default;
  // Runs `work` on a new thread. Throws std::system_error, EAGAIN, when none can be had.
  explicit Thread(std::move_only_function<void()> work);
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();
  // Returns when it has ended.
  void join() noexcept;

 private:
  pthread_t id_{};
  bool joinable_ = false;
};

}  // namespace polyio::os
