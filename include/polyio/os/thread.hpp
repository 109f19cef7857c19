// Thread: std::thread with a stack of known size, which std::thread can't be asked for: a small one
// for the threads that run handlers, of which there may be thousands: a coroutine's variables lie
// in its frame, so the stack holds only the calls it makes. The default would reserve 8 MiB each.
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
  // The system's default (RLIMIT_STACK, mostly 8 MiB), for threads that run who knows what.
  static constexpr std::size_t default_stack = 0;
  // Runs `work` on a new thread. Throws std::system_error, EAGAIN, when none can be had.
  explicit Thread(std::move_only_function<void()> work, std::size_t stack_bytes = stack_size);
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();
  // Returns when it has ended.
  void join() noexcept;
  // Lets it run on by itself, to the end of the process at the latest.
  void detach() noexcept;

 private:
  pthread_t id_{};
  bool joinable_ = false;
};

}  // namespace polyio::os
