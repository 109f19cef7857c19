// Semaphore: a number of permits that tasks of any Io and plain threads acquire and release; with
// none left, acquiring waits. First come, first served: a released permit goes to the longest
// waiter. Releasing needs no earlier acquire.
#pragma once

#include <cstddef>
#include <polyio/io/waiter.hpp>

namespace polyio {

class Semaphore {
 public:
  explicit Semaphore(std::size_t permits) noexcept : permits_(permits) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore() { POLYIO_ASSERT(waiters_.empty()); }

  // For tasks: `auto acquired = co_await semaphore.acquire(io);`, a Result<>. Errors: those of the
  // scope, also when it is cancelled already; a permit that arrived before the cancellation is
  // kept.
  auto acquire(Io& io) noexcept { return detail::WaitAwaiter<Request>(io, *this); }
  // For plain threads: blocks the calling thread. Errors: timed_out; EDEADLK, as Mutex::hold.
  Result<> acquire(Deadline deadline = never) {
    return detail::ThreadWait<Request>(*this)(deadline);
  }
  // Never waits. Errors: EAGAIN, there is no permit.
  Result<> try_acquire() { return detail::ThreadWait<Request>(*this).now(); }
  // Thread-safe; never waits.
  void release(std::size_t permits = 1);
  // Permits that can be had now.
  std::size_t available() const;

 private:
  class Request : public detail::Waiter {
   public:
    explicit Request(Semaphore& semaphore) noexcept : Waiter(semaphore.mutex_), of_(semaphore) {}
    Result<> value() noexcept { return {}; }

   protected:
    bool take() override {
      if (of_.permits_ == 0) return false;
      --of_.permits_;
      return true;
    }
    void queue() noexcept override { of_.waiters_.push_back(*this); }

   private:
    Semaphore& of_;
  };

  mutable std::mutex mutex_;
  std::size_t permits_;
  detail::WaiterList waiters_;  // empty while there are permits
};

}  // namespace polyio
