#include <polyio/io/io.hpp>

namespace polyio {

namespace {
constexpr auto no_fire = [](Timer&) {};
}

CancelScope::CancelScope(Io& io, Root) noexcept : Timer(no_fire), io_(io) {}

CancelScope::CancelScope(Io& io, Deadline until)
    : Timer([](Timer& timer) {
        auto& self = static_cast<CancelScope&>(timer);
        self.timed_out_ = self.reason_ == 0;
        self.cancel_with(ETIMEDOUT);
      }),
      io_(io),
      job_(&io.current()),
      parent_(job_->scope),
      reason_(parent_->reason_) {
  if (until != never) io.arm(*this, until);  // first: it may throw std::bad_alloc
  parent_->children_.push_back(*this);
  static_cast<ListNode<ScopeTag>&>(*job_).unlink();
  jobs_.push_back(*job_);
  job_->scope = this;
}

CancelScope::CancelScope(Io& io, Nanoseconds span)
    : CancelScope(io, deadline_after(io.driver().now(), span)) {}

CancelScope::~CancelScope() {
  if (!job_) return;
  io_.disarm(*this);
  POLYIO_RULE(children_.empty() && job_->scope == this,
              "a CancelScope ends in its own task, and after those that began in it");
  static_cast<ListNode<ScopeTag>&>(*job_).unlink();
  POLYIO_ASSERT(jobs_.empty());
  parent_->jobs_.push_back(*job_);
  job_->scope = parent_;
}

void CancelScope::set_deadline(Deadline until) {
  if (!reason_) io_.arm(*this, until);
}

void CancelScope::cancel_with(int why) {
  if (reason_) return;
  reason_ = why;
  for (Job* job = jobs_.front(); job; job = jobs_.next(*job)) io_.cancel_op(*job, why);
  for (CancelScope* child = children_.front(); child; child = children_.next(*child)) {
    child->cancel_with(why);
  }
}

}  // namespace polyio
