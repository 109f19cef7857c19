// Thread: std::thread with a stack of known size, which std::thread does not offer. Small by
// default, for the threads that run handlers: there may be thousands, and since a coroutine's
// variables lie in its frame the stack holds only the calls it makes. The system's default would
// reserve 8 MiB each.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <ctime>
#include <functional>
#include <polyio/base/clock.hpp>
#include <polyio/base/sanitizers.hpp>
#include <string>

namespace polyio::os {

class Thread {
 public:
  // Bytes of stack; a sanitizer's frames are larger.
  static constexpr std::size_t stack_size = (POLYIO_ASAN || POLYIO_TSAN ? 1024 : 256) * 1024;

  Thread() = default;
  // The system's default (RLIMIT_STACK, mostly 8 MiB), for threads that run the user's code.
  static constexpr std::size_t default_stack = 0;
  // Runs `work` on a new thread. Throws std::system_error, EAGAIN, when the system allows no more.
  explicit Thread(std::move_only_function<void()> work, std::size_t stack_bytes = stack_size);
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();
  // Returns when it has ended.
  void join() noexcept;
  // The same if that takes no time. False: it has not ended yet.
  bool try_join() noexcept;
  // Lets it run on unattended, until the process ends at the latest.
  void detach() noexcept;

 private:
  pthread_t id_{};
  bool joinable_ = false;
};

// A thread of this process, for the others while it runs.
class ThreadReference {
 public:
  static ThreadReference current() noexcept;
  // For how long it has used a processor; 0 where that can't be known.
  Nanoseconds processor_time() const noexcept;
  // From now on it runs only when no other thread of the machine wants to (SCHED_IDLE, Linux).
  // What an ordinary user can't undo, unless RLIMIT_NICE lets them. False: it is not possible.
  bool demote() const noexcept;

 private:
  ThreadReference() = default;
  int id_ = 0;
  clockid_t clock_{};
};

// Adds `steps` to the calling thread's nice value (nice(2)), where threads have one of their own.
void be_nice(int steps) noexcept;

// "name id" of the calling thread, as ps(1) shows both.
std::string this_thread_text();

}  // namespace polyio::os
