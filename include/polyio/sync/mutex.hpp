// Mutex: one owner at a time, among tasks of any Io and plain threads alike; a task that waits lets
// the other tasks of its Io run. First come, first served: unlock hands it to the one who waits
// longest. A guard says who owns it, not a thread: it may be moved to another task or thread. Not
// recursive.
#pragma once

#include <polyio/sync/waiter.hpp>

namespace polyio {

class Mutex {
 public:
  // Owns the mutex until it is destroyed or unlocked. Move-only.
  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      Guard(std::move(other)).swap(*this);
      return *this;
    }
    ~Guard() { unlock(); }
    void swap(Guard& other) noexcept { std::swap(mutex_, other.mutex_); }
    explicit operator bool() const noexcept { return mutex_ != nullptr; }
    // Gives it up early. A second call does nothing.
    void unlock() noexcept {
      if (Mutex* mutex = std::exchange(mutex_, nullptr)) mutex->unlock();
    }

   private:
    friend class Mutex;
    explicit Guard(Mutex& mutex) noexcept : mutex_(&mutex) {}
    Mutex* mutex_ = nullptr;
  };

  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() { POLYIO_ASSERT(!locked_ && waiters_.empty()); }

  // For tasks: `auto locked = co_await mutex.lock(io);`, a Result<Guard>. Errors: those of the
  // scope, also when it is cancelled already; ownership that arrived before the cancellation is
  // kept.
  auto lock(Io& io) noexcept { return detail::WaitAwaiter<Request>(io, *this); }
  // For plain threads: blocks the calling thread. Inside a task it would block the whole Io.
  Guard lock();
  // The same until `deadline`. Errors: timed_out.
  Result<Guard> lock_until(Deadline deadline);
  // Never waits: an empty guard when somebody has it.
  Guard try_lock();

 private:
  class Request : public detail::Waiter {
   public:
    explicit Request(Mutex& mutex) noexcept : Waiter(mutex.mutex_), of_(mutex) {}
    Result<Guard> value() noexcept { return Guard(of_); }

   protected:
    bool take() override { return !std::exchange(of_.locked_, true); }
    void queue() noexcept override { of_.waiters_.push_back(*this); }

   private:
    Mutex& of_;
  };

  void unlock() noexcept;

  std::mutex mutex_;  // for what follows, held for a few instructions
  bool locked_ = false;
  detail::WaiterList waiters_;  // nobody waits for a mutex that is not locked
};

}  // namespace polyio
