#include <polyio/sync/mutex.hpp>

namespace polyio {

Mutex::Guard Mutex::lock() {
  auto locked = detail::ThreadWait<Request>(*this)(never);
  return std::move(*locked);
}

Result<Mutex::Guard> Mutex::lock_until(Deadline deadline) {
  return detail::ThreadWait<Request>(*this)(deadline);
}

Mutex::Guard Mutex::try_lock() {
  auto locked = detail::ThreadWait<Request>(*this).now();
  if (!locked) return {};
  return std::move(*locked);
}

void Mutex::unlock() noexcept {
  const std::lock_guard lock(mutex_);
  if (detail::Waiter* next = waiters_.front()) {
    next->end();  // it is the next one's without ever being free
  } else {
    locked_ = false;
  }
}

}  // namespace polyio
