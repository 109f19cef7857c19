#include <polyio/io/io.hpp>

namespace polyio {

bool Io::SleepAwaiter::await_ready() {
  Op& op = io_->prepare(OpKind::sleep);
  op_ = &op;
  if (until_ != never) io_->arm(*this, until_);
  return io_->begin(op);
}

void Io::SleepAwaiter::on_fire(Timer& timer) {
  auto& self = static_cast<SleepAwaiter&>(timer);
  if (self.op_->state == OpState::pending) self.io_->complete(*self.op_, 0);
}

bool Io::ParkAwaiter::await_ready() {
  Op& op = io_->prepare(OpKind::park);
  if (std::exchange(io_->current().permit, false)) {
    op.result = 0;
    return true;
  }
  return io_->begin(op);
}

// Not through begin(), which a cancelled scope ends at once.
bool Io::ShieldedParkAwaiter::await_ready() {
  Op& op = io_->prepare(OpKind::shielded_park);
  if (std::exchange(io_->current().permit, false)) return true;
  op.state = OpState::pending;
  return false;
}

bool Io::YieldAwaiter::await_ready() {
  Op& op = io_->prepare(OpKind::yield);
  op.result = -job_of(op).scope->reason();
  op.state = OpState::done;
  io_->ready_.push(job_of(op));
  return false;
}

}  // namespace polyio
