// Event: a flag that tasks of any Io and plain threads wait for. set() releases all waiters, and
// later ones until clear(). A waiter released by set() goes on even if the flag is cleared before
// it runs.
#pragma once

#include <polyio/io/waiter.hpp>

namespace polyio {

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { POLYIO_ASSERT(waiters_.empty()); }

  // Thread-safe, all of them.
  bool is_set() const;
  void set();
  void clear();

  // For tasks: `auto set = co_await event.wait(io);`, a Result<>. Errors: those of the scope.
  auto wait(Io& io) noexcept { return detail::WaitAwaiter<Request>(io, *this); }
  // For plain threads: blocks the calling thread. Errors: timed_out; EDEADLK, as Mutex::hold.
  Result<> wait(Deadline deadline = never) { return detail::ThreadWait<Request>(*this)(deadline); }

 private:
  class Request : public detail::Waiter {
   public:
    explicit Request(Event& event) noexcept : Waiter(event.mutex_), of_(event) {}
    Result<> value() noexcept { return {}; }

   protected:
    bool take() override { return of_.set_; }
    void queue() noexcept override { of_.waiters_.push_back(*this); }

   private:
    Event& of_;
  };

  mutable std::mutex mutex_;
  bool set_ = false;
  detail::WaiterList waiters_;  // empty while it is set
};

}  // namespace polyio
