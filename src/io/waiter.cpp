#include <polyio/io/waiter.hpp>

namespace polyio::detail {

void Waiter::end(std::error_code error) noexcept {
  unlink();
  ended_ = true;
  error_ = error;
  // Under the primitive's mutex, which the owner takes before it goes: neither can be gone.
  if (job_) {
    job_->io.unpark(*job_);
  } else {
    sleeper_->notify_one();
  }
}

Result<> Waiter::outcome() const noexcept {
  if (error_) return fail(error_);
  return {};
}

bool Waiter::take_now() {
  const std::lock_guard lock(mutex_);
  return take();
}

// A thread that sleeps for good here would stop the tasks beside this one (they take turns under
// the blocking model too), and what it waits for may be theirs to do.
static bool blocks_a_loop() noexcept {
  const Io* const io = Io::of_this_thread();
  return io && io->jobs() > 1;
}

Result<> Waiter::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (take()) return outcome();
  if (deadline == never && blocks_a_loop()) return fail(EDEADLK);
  std::condition_variable awake;
  sleeper_ = &awake;
  queue();
  while (!ended_) {
    if (deadline == never) {
      awake.wait(lock);
    } else if (awake.wait_until(lock, deadline) == std::cv_status::timeout && !ended_) {
      if (withdraw()) return fail(ETIMEDOUT);
      deadline = never;
    }
  }
  return outcome();
}

Task<Result<>> Waiter::wait(Io& io) {
  if (auto live = io.check_cancelled(); !live) co_return live;
  job_ = &io.current();
  {
    const std::lock_guard lock(mutex_);
    if (take()) co_return outcome();
    queue();
    if (ended_) co_return outcome();
  }
  for (bool may_leave = true;;) {
    Result<> parked;
    if (may_leave) {
      auto woken = co_await io.park();
      parked = woken;
    } else {
      co_await io.park_shielded();
    }
    const std::lock_guard lock(mutex_);
    if (ended_) co_return outcome();  // what arrived first wins over a cancellation
    if (parked) continue;
    if (withdraw()) co_return parked;
    may_leave = false;
  }
}

}  // namespace polyio::detail
