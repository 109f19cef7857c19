// sync_wait: runs a task that needs no Io to its end from an ordinary function. A task that waits
// for I/O, a timer or another task needs Io::run instead; here the thread would sleep until
// another thread resumes it.
#pragma once

#include <polyio/coro/task.hpp>
#include <semaphore>

namespace polyio {
namespace detail {

// Waits for the task and then releases the semaphore.
struct SyncWaiter {
  struct promise_type {
    std::binary_semaphore* finished = nullptr;
    SyncWaiter get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct Release {
        bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
          self.promise().finished->release();
        }
        void await_resume() noexcept {}
      };
      return Release{};
    }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

// Resumes when the task has ended, value and exception left in it.
template <class T>
struct EndAwaiter {
  Task<T>& task;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    task.handle().promise().set_continuation(awaiting);
    return task.handle();
  }
  void await_resume() const noexcept {}
};

template <class T>
SyncWaiter wait_for_end(Task<T>& task) {
  EndAwaiter<T> end{task};
  co_await end;
}

}  // namespace detail

// The task's value; rethrows what it threw. Blocks the calling thread.
template <class T>
T sync_wait(Task<T> task) {
  std::binary_semaphore finished(0);
  auto waiter = detail::wait_for_end(task);
  waiter.handle.promise().finished = &finished;
  waiter.handle.resume();
  finished.acquire();
  waiter.handle.destroy();
  return task.take();
}

}  // namespace polyio
