// Queue<T>: a bounded queue between tasks of any Io and plain threads, first in, first out. push
// waits while it is full and pop while it is empty, each side first come, first served, so a
// producer can't outrun its consumers for long. close() ends it: what is inside is still popped,
// then comes end_of_file.
#pragma once

#include <cstddef>
#include <optional>
#include <polyio/sync/ring.hpp>
#include <polyio/sync/waiter.hpp>
#include <type_traits>

namespace polyio {

template <class T>
class Queue {
  static_assert(std::is_nothrow_move_constructible_v<T>, "values are handed on under a lock");

 public:
  // At most `capacity` values inside, at least 1. Memory grows with what is inside, up to that.
  explicit Queue(std::size_t capacity) : ring_(capacity) { POLYIO_ASSERT(capacity > 0); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() { POLYIO_ASSERT(pushers_.empty() && poppers_.empty()); }

  // For tasks: `auto pushed = co_await queue.push(io, std::move(value));`, a Result<>. Errors:
  // EPIPE, the queue is closed; those of the scope. On an error the value is destroyed.
  auto push(Io& io, T value) { return detail::WaitAwaiter<Push>(io, *this, value); }
  // For tasks: `auto value = co_await queue.pop(io);`, a Result<T>. Errors: Errc::end_of_file,
  // closed and empty; those of the scope. A value that arrived before the cancellation is answered,
  // not lost.
  auto pop(Io& io) { return detail::WaitAwaiter<Pop>(io, *this); }

  // For plain threads: blocks the calling thread, until `deadline` at most. Errors: timed_out, as
  // above.
  Result<> push(T value, Deadline deadline = never) {
    return detail::ThreadWait<Push>(*this, value)(deadline);
  }
  Result<T> pop(Deadline deadline = never) { return detail::ThreadWait<Pop>(*this)(deadline); }

  // Never wait: EAGAIN when full or empty. On an error `value` is as it was.
  Result<> try_push(T&& value) {
    const std::lock_guard lock(mutex_);
    if (closed_) return fail(EPIPE);
    if (!offer(value)) return fail(EAGAIN);
    return {};
  }
  Result<T> try_pop() { return detail::ThreadWait<Pop>(*this).now(); }

  // No more is pushed from now on; those who wait to push get EPIPE. A second call does nothing.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (detail::Waiter* waiter = pushers_.pop_front()) waiter->end(errno_code(EPIPE));
    while (detail::Waiter* waiter = poppers_.pop_front()) waiter->end(Errc::end_of_file);
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  // Values inside now.
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return ring_.size();
  }
  std::size_t capacity() const noexcept { return ring_.capacity(); }

 private:
  class Push : public detail::Waiter {
   public:
    Push(Queue& queue, T& value) noexcept
        : Waiter(queue.mutex_), of_(queue), value_(std::move(value)) {}
    Result<> value() noexcept { return {}; }

   protected:
    friend class Queue;
    bool take() override {
      if (of_.closed_) this->refuse(errno_code(EPIPE));
      return of_.closed_ || of_.offer(value_);
    }
    void queue() noexcept override { of_.pushers_.push_back(*this); }

   private:
    Queue& of_;
    T value_;
  };

  class Pop : public detail::Waiter {
   public:
    explicit Pop(Queue& queue) noexcept : Waiter(queue.mutex_), of_(queue) {}
    Result<T> value() noexcept { return std::move(*value_); }

   protected:
    friend class Queue;
    bool take() override {
      value_ = of_.ring_.pop();
      if (!value_ && of_.closed_) this->refuse(Errc::end_of_file);
      if (!value_) return of_.closed_;
      if (auto* pusher = static_cast<Push*>(of_.pushers_.pop_front())) {
        of_.ring_.push(pusher->value_);  // there is room now, and no need to grow
        pusher->end();
      }
      return true;
    }
    void queue() noexcept override { of_.poppers_.push_back(*this); }

   private:
    Queue& of_;
    std::optional<T> value_;
  };

  // Moves `value` to who waits for one, or inside; false, and nothing has happened, when it is
  // full.
  bool offer(T& value) {
    auto* popper = static_cast<Pop*>(poppers_.pop_front());
    if (!popper) return ring_.push(value);
    popper->value_.emplace(std::move(value));
    popper->end();
    return true;
  }

  mutable std::mutex mutex_;
  detail::Ring<T> ring_;
  bool closed_ = false;
  detail::WaiterList pushers_;  // wait only while it is full
  detail::WaiterList poppers_;  // wait only while it is empty
};

}  // namespace polyio
