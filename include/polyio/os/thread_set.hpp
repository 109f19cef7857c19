// ThreadSet: threads that are started one by one and joined together: the pools and the servers
// keep theirs in one. A thread that has ended is joined by a later start(), so a set whose threads
// come and go holds hardly more of them than run at once. The rule: the set outlives its threads;
// its owner makes them end before it joins them.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <polyio/os/thread.hpp>
#include <string>

namespace polyio::os {

class ThreadSet {
 public:
  // `stack_bytes` of every thread, as for Thread.
  explicit ThreadSet(std::size_t stack_bytes = Thread::stack_size) : stack_bytes_(stack_bytes) {}
  // Joins all.
  ~ThreadSet() { join_all(); }
  ThreadSet(const ThreadSet&) = delete;
  ThreadSet& operator=(const ThreadSet&) = delete;

  // Runs `work` on a new thread with this name (at most 15 bytes). One caller at a time. Throws
  // std::system_error, EAGAIN, when no thread can be had and std::bad_alloc; `work` is gone then.
  void start(std::string name, std::move_only_function<void()> work);
  // Waits until every thread has ended. By the caller of start().
  void join_all() noexcept;
  // How many were started and have not been joined. Thread-safe.
  std::size_t size() const;

 private:
  using Threads = std::list<Thread>;
  void join_ended() noexcept;

  const std::size_t stack_bytes_;
  mutable std::mutex mutex_;
  Threads running_;
  Threads ended_;  // about to return
  bool joining_ = false;
};

}  // namespace polyio::os
