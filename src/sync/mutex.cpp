#include <polyio/sync/mutex.hpp>

namespace polyio {

Result<Mutex::Hold> Mutex::hold(Deadline deadline) {
  return detail::ThreadWait<Request>(*this)(deadline);
}

Result<Mutex::Hold> Mutex::try_hold() { return detail::ThreadWait<Request>(*this).now(); }

void Mutex::unlock() noexcept {
  const std::lock_guard lock(mutex_);
  if (detail::Waiter* next = waiters_.front()) {
    next->end();  // it is the next one's without ever being free
  } else {
    locked_ = false;
  }
}

}  // namespace polyio
