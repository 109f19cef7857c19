// Mutex: one owner at a time, among tasks of any Io and plain threads alike; a task that waits lets
// the other tasks of its Io run. First come, first served: unlocking hands it to the longest
// waiter. It belongs to a Hold, not to a thread: a Hold may be moved to another task or thread. Not
// recursive.
#pragma once

#include <polyio/io/waiter.hpp>

namespace polyio {

class Mutex {
 public:
  // Owns the mutex until it is destroyed or unlocked. Move-only.
  class [[nodiscard]] Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept {
      Hold(std::move(other)).swap(*this);
      return *this;
    }
    ~Hold() { unlock(); }
    void swap(Hold& other) noexcept { std::swap(mutex_, other.mutex_); }
    explicit operator bool() const noexcept { return mutex_ != nullptr; }
    // Lets go early. A second call does nothing.
    void unlock() noexcept {
      if (Mutex* mutex = std::exchange(mutex_, nullptr)) mutex->unlock();
    }

   private:
    friend class Mutex;
    explicit Hold(Mutex& mutex) noexcept : mutex_(&mutex) {}
    Mutex* mutex_ = nullptr;
  };

  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() { POLYIO_ASSERT(!locked_ && waiters_.empty()); }

  // For tasks: `auto held = co_await mutex.hold(io);`, a Result<Hold>. Errors: those of the scope,
  // also when it is cancelled already; ownership that arrived before the cancellation is kept.
  auto hold(Io& io) noexcept { return detail::WaitAwaiter<Request>(io, *this); }
  // For plain threads: blocks the calling thread. Errors: timed_out; EDEADLK where it would have to
  // sleep without a deadline on the thread of a loop that has other tasks: a task writes hold(io).
  Result<Hold> hold(Deadline deadline = never);
  // Never waits. Errors: EAGAIN, it is held.
  Result<Hold> try_hold();

 private:
  class Request : public detail::Waiter {
   public:
    explicit Request(Mutex& mutex) noexcept : Waiter(mutex.mutex_), of_(mutex) {}
    Result<Hold> value() noexcept { return Hold(of_); }

   protected:
    bool take() override { return !std::exchange(of_.locked_, true); }
    void queue() noexcept override { of_.waiters_.push_back(*this); }

   private:
    Mutex& of_;
  };

  void unlock() noexcept;

  std::mutex mutex_;  // for what follows, held for a few instructions
  bool locked_ = false;
  detail::WaiterList waiters_;  // empty while it is not locked
};

}  // namespace polyio
