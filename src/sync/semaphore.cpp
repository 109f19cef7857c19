#include <polyio/sync/semaphore.hpp>

namespace polyio {

void Semaphore::release(std::size_t permits) {
  const std::lock_guard lock(mutex_);
  for (; permits > 0; --permits) {
    detail::Waiter* next = waiters_.front();
    if (!next) break;
    next->end();
  }
  permits_ += permits;
}

std::size_t Semaphore::available() const {
  const std::lock_guard lock(mutex_);
  return permits_;
}

}  // namespace polyio
