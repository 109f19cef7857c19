#include <polyio/sync/waiter.hpp>

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

Result<> Waiter::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (take()) return outcome();
  std::condition_variable awake;
  sleeper_ = &awake;
  queue();
  while (!ended_) {
    if (deadline == never) {
      awake.wait(lock);
    } else if (awake.wait_until(lock, deadline) == std::cv_status::timeout && !ended_) {
      unlink();
      return fail(ETIMEDOUT);
    }
  }
  return outcome();
}

Task<Result<>> Waiter::wait(Io& io) {
  job_ = &io.current();
  if (!job_->scope->cancelled()) {
    const std::lock_guard lock(mutex_);
    if (take()) co_return outcome();
    queue();
  }
  for (;;) {
    auto parked = co_await io.park();
    const std::lock_guard lock(mutex_);
    if (ended_) co_return outcome();  // what arrived first wins over a cancellation
    if (!parked) {
      unlink();
      co_return fail(parked.error());
    }
  }
}

}  // namespace polyio::detail
