#include <polyio/io/task_group.hpp>

namespace polyio {

Result<> TaskGroup::start(Task<> task, int serves) {
  ++running_;
  auto launched = io_.launch(std::move(task), scope_, this, serves);
  if (!launched) --running_;
  return launched;
}

void TaskGroup::record(const std::exception_ptr& exception) noexcept {
  if (!exception_) exception_ = exception;
  scope_.cancel();
}

void TaskGroup::child_ended(const std::exception_ptr& exception) noexcept {
  if (supervisor_) {
    supervisor_->task_ended(exception);
  } else if (exception) {
    record(exception);
  }
  if (--running_ == 0 && joiner_) io_.complete(*std::exchange(joiner_, nullptr), 0);
}

bool TaskGroup::JoinAwaiter::await_ready() const {
  if (group.running_ == 0) return true;
  Job& job = group.io_.current();
  Op& op = group.io_.prepare(OpKind::join);
  op.state = OpState::pending;  // not through begin: a cancelled scope must not cut a join short
  group.joiner_ = &job;
  return false;
}

void TaskGroup::JoinAwaiter::await_suspend(std::coroutine_handle<> caller) const noexcept {
  group.io_.current().resume = caller;
}

void TaskGroup::JoinAwaiter::await_resume() const noexcept {}

}  // namespace polyio
