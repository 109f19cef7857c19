// Waiter: one wait for one thing, by a task of any Io or by a plain thread, with cancel and
// deadline. Mutexes, queues and events (room sync), thread pools and connection pools are made of
// it: each derives a request that says when it can be had, where it stands in line and how it
// leaves. A waiter lives where its owner waits (in the awaiter, or on the thread's stack), so
// waiting allocates nothing but a pooled coroutine frame. The rules: a waiter is looked at and
// changed only under its primitive's mutex, so code that ends a wait may touch the waiter as long
// as it holds that mutex; and what arrived before a cancellation is kept.
#pragma once

#include <condition_variable>
#include <mutex>
#include <polyio/base/clock.hpp>
#include <polyio/base/list.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/io.hpp>
#include <utility>

namespace polyio::detail {

struct WaiterTag;

class Waiter : public ListNode<WaiterTag> {
 public:
  // Ends the wait and takes it out of the line: with success, or with the errno or Errc in `error`.
  // Once, by any thread that holds the mutex.
  void end(std::error_code error = {}) noexcept;

 protected:
  explicit Waiter(std::mutex& mutex) noexcept : mutex_(mutex) {}
  virtual ~Waiter() = default;

  // The primitive's part, called under the mutex.
  // True: it could be had at once, and is had; or the request was refused.
  virtual bool take() = 0;
  // Enters the line, unless the request is refused.
  virtual void queue() noexcept = 0;
  // Leaves the line, because of a cancel or a deadline. False: it is too late for that, the wait
  // goes on until it is ended.
  virtual bool withdraw() noexcept {
    unlink();
    return true;
  }
  // For take() and queue(): the wait ends with `error` before it began.
  void refuse(std::error_code error) noexcept {
    error_ = error;
    ended_ = true;
  }

  // take() without waiting; false: it would have to wait.
  bool take_now();
  // For plain threads. Errors: timed_out, or the error that the wait was ended with; EDEADLK on the
  // thread of a loop that has other tasks, where it would have to sleep without a deadline.
  Result<> wait(Deadline deadline);
  // For tasks. Errors: those of the scope, or the error that the wait was ended with.
  Task<Result<>> wait(Io& io);
  Result<> outcome() const noexcept;

 private:
  std::mutex& mutex_;
  bool ended_ = false;
  std::error_code error_;
  Job* job_ = nullptr;                          // a task waits,
  std::condition_variable* sleeper_ = nullptr;  // or a thread
};

using WaiterList = List<Waiter, WaiterTag>;

// What `co_await primitive.operation(io)` awaits: ends at once when it can, or waits in a coroutine
// of its own. Request derives from Waiter and has `value()`, the Result after a wait that ended
// with success.
template <class Request>
class [[nodiscard]] WaitAwaiter final : private Request {
 public:
  using PolyioAwaitable = void;
  template <class... Arguments>
  explicit WaitAwaiter(Io& io, Arguments&&... arguments)
      : Request(std::forward<Arguments>(arguments)...), io_(io) {}

  bool await_ready() { return !io_.current().scope->cancelled() && this->take_now(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    waiting_ = Request::wait(io_);
    waiting_.handle().promise().set_continuation(caller);
    return waiting_.handle();
  }
  auto await_resume() -> decltype(std::declval<Request&>().value()) {
    const auto ended = waiting_ ? waiting_.take() : this->outcome();
    if (!ended) return fail(ended.error());
    return this->value();
  }

 private:
  Io& io_;
  Task<Result<>> waiting_;
};

// The same for a plain thread: waits until `deadline`.
template <class Request>
class ThreadWait final : private Request {
 public:
  template <class... Arguments>
  explicit ThreadWait(Arguments&&... arguments) : Request(std::forward<Arguments>(arguments)...) {}
  auto operator()(Deadline deadline) -> decltype(std::declval<Request&>().value()) {
    const auto ended = this->wait(deadline);
    if (!ended) return fail(ended.error());
    return this->value();
  }
  // Without waiting: EAGAIN when it can't be had now.
  auto now() -> decltype(std::declval<Request&>().value()) {
    if (!this->take_now()) return fail(EAGAIN);
    const auto ended = this->outcome();
    if (!ended) return fail(ended.error());
    return this->value();
  }
};

}  // namespace polyio::detail
