#include <polyio/sync/event.hpp>

namespace polyio {

bool Event::is_set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

void Event::set() {
  const std::lock_guard lock(mutex_);
  set_ = true;
  while (detail::Waiter* waiter = waiters_.front()) waiter->end();
}

void Event::clear() {
  const std::lock_guard lock(mutex_);
  set_ = false;
}

}  // namespace polyio
