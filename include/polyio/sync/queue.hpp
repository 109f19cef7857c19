// Queue<T>: a bounded queue between tasks of any Io and plain threads, first in, first out. put
// waits while it is full and get while it is empty, each side first come, first served, so a
// producer can't outrun its consumers for long. close() ends it: what is inside can still be got,
// then comes end_of_file.
#pragma once

#include <cstddef>
#include <optional>
#include <polyio/io/waiter.hpp>
#include <polyio/sync/ring.hpp>
#include <type_traits>

namespace polyio {

template <class T>
class Queue {
  static_assert(std::is_nothrow_move_constructible_v<T>, "values are handed on under a lock");

 public:
  // Holds at most `capacity` values, which is at least 1. Memory grows with the values inside.
  explicit Queue(std::size_t capacity) : ring_(capacity) { POLYIO_ASSERT(capacity > 0); }
  // Takes the memory for all of them, before the first put. Throws std::bad_alloc; no put does
  // then.
  void reserve() { ring_.reserve(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() { POLYIO_ASSERT(putters_.empty() && getters_.empty()); }

  // For tasks: `auto put = co_await queue.put(io, std::move(value));`, a Result<>. Errors:
  // EPIPE, the queue is closed; those of the scope. On an error the value is destroyed.
  auto put(Io& io, T value) { return detail::WaitAwaiter<Put>(io, *this, value); }
  // For tasks: `auto value = co_await queue.get(io);`, a Result<T>. Errors: Errc::end_of_file,
  // closed and empty; those of the scope. A value that arrived before the cancellation is answered,
  // not lost.
  auto get(Io& io) { return detail::WaitAwaiter<Get>(io, *this); }

  // For plain threads: blocks the calling thread, until `deadline` at most. Errors: timed_out,
  // as above; EDEADLK, as Mutex::hold.
  Result<> put(T value, Deadline deadline = never) {
    return detail::ThreadWait<Put>(*this, value)(deadline);
  }
  Result<T> get(Deadline deadline = never) { return detail::ThreadWait<Get>(*this)(deadline); }

  // Never wait: EAGAIN when full or empty. On an error `value` is as it was.
  Result<> try_put(T&& value) {
    const std::lock_guard lock(mutex_);
    if (closed_) return fail(EPIPE);
    if (!offer(value)) return fail(EAGAIN);
    return {};
  }
  Result<T> try_get() { return detail::ThreadWait<Get>(*this).now(); }

  // From now on puts fail, and those that wait to put get EPIPE. A second call does nothing.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (detail::Waiter* waiter = putters_.pop_front()) waiter->end(errno_code(EPIPE));
    while (detail::Waiter* waiter = getters_.pop_front()) waiter->end(Errc::end_of_file);
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
  class Put : public detail::Waiter {
   public:
    Put(Queue& queue, T& value) noexcept
        : Waiter(queue.mutex_), of_(queue), value_(std::move(value)) {}
    Result<> value() noexcept { return {}; }

   protected:
    friend class Queue;
    bool take() override {
      if (of_.closed_) this->refuse(errno_code(EPIPE));
      return of_.closed_ || of_.offer(value_);
    }
    void queue() noexcept override { of_.putters_.push_back(*this); }

   private:
    Queue& of_;
    T value_;
  };

  class Get : public detail::Waiter {
   public:
    explicit Get(Queue& queue) noexcept : Waiter(queue.mutex_), of_(queue) {}
    Result<T> value() noexcept { return std::move(*value_); }

   protected:
    friend class Queue;
    bool take() override {
      value_ = of_.ring_.pop();
      if (!value_ && of_.closed_) this->refuse(Errc::end_of_file);
      if (!value_) return of_.closed_;
      if (auto* putter = static_cast<Put*>(of_.putters_.pop_front())) {
        of_.ring_.push(putter->value_);  // there is room now, and no need to grow
        putter->end();
      }
      return true;
    }
    void queue() noexcept override { of_.getters_.push_back(*this); }

   private:
    Queue& of_;
    std::optional<T> value_;
  };

  // Moves `value` to a waiting getter, or inside. False: it is full, and `value` is as it was.
  bool offer(T& value) {
    auto* getter = static_cast<Get*>(getters_.pop_front());
    if (!getter) return ring_.push(value);
    getter->value_.emplace(std::move(value));
    getter->end();
    return true;
  }

  mutable std::mutex mutex_;
  detail::Ring<T> ring_;
  bool closed_ = false;
  detail::WaiterList putters_;  // wait only while it is full
  detail::WaiterList getters_;  // wait only while it is empty
};

}  // namespace polyio
