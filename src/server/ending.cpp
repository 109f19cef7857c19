#include "ending.hpp"

#include <algorithm>

#include "retry_for_memory.hpp"

namespace polyio {

void Ending::ask(Step step) {
  const std::lock_guard lock(mutex_);
  asked_ = std::max(asked_, step);
  if (state_ != State::runs) return;
  retry_for_memory([&] { io_.post([this, step] { advance(step); }); });
}

bool Ending::post(const std::function<void()>& work) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::runs) return false;
  retry_for_memory([&] { io_.post(work); });
  return true;
}

void Ending::begin() {
  Step asked;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::runs;
    asked = asked_;
  }
  if (next_at_ != never) arm_timer();
  advance(asked);
}

void Ending::close() noexcept {
  state_ = State::over;
  io_.disarm(*this);
}

void Ending::advance(Step to) {
  if (reached(to)) return;
  while (!reached(to)) {
    const auto step = static_cast<Step>(static_cast<int>(reached_.load()) + 1);
    reached_.store(step);
    take_step_(step);
  }
  next_at_ = to == Step::cut ? never : deadline_after(io_.now(), patience_);
  if (next_at_ != never) arm_timer();
}

void Ending::arm_timer() {
  retry_for_memory([&] { io_.arm(*this, next_at_); });
}

void Ending::on_timer(Timer& timer) {
  auto& self = static_cast<Ending&>(timer);
  if (self.reached(Step::cut)) return;
  self.advance(static_cast<Step>(static_cast<int>(self.reached_.load()) + 1));
}

}  // namespace polyio
