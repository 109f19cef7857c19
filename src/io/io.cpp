#include <polyio/io/io.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/line_log.hpp>
#include <stdexcept>
#include <thread>

#include "ordered_loop.hpp"

namespace polyio {
namespace {

// What a job may do in one turn with operations that end at once, before it lets the others run: an
// operation costs `op_cost`, and each byte that it moved 1. How long the turn has lasted is looked
// at after every inline_step, so that an echo's one send per turn does not read the clock.
constexpr std::int64_t op_cost = 1024;
constexpr std::int64_t inline_limit = 64 * op_cost;

}  // namespace

constinit thread_local Io* Io::io_of_this_thread = nullptr;

Io::Io(std::unique_ptr<Driver> driver)
    : driver_(std::move(driver)),
      turn_began_(driver_->now()),
      root_(*this, CancelScope::Root{}),
      idle_sweep_(*this) {
  driver_->bind(*this);
  scheduler_ = driver_->make_scheduler();
  on_lease_shortage_ = [said = false]() mutable {
    if (std::exchange(said, true)) return;
    os::write_to_stderr(
        "polyio: the receive buffers have run out, because handlers hold their leases: a receive\n"
        "gets 4 KiB from now on, and waits on a connection that holds such a lease already\n");
  };
}

Io::~Io() {
  POLYIO_ASSERT(jobs_ == 0);
  // The work that ended this Io may have run before its post() was through with it.
  while (posting_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  scheduler_.reset();  // no thread of its own comes to this Io any more
  timers_.disarm(idle_sweep_);
}

void Io::set_policy(sched::Kind policy) {
  if (policy == sched::Kind::fcfs) return;
  if (thread_per_job()) {
    throw std::invalid_argument(
        "policy " + std::string(sched::name_of(policy)) +
        " orders the jobs of a loop; here each has a thread, and the kernel "
        "decides which goes next");
  }
  scheduler_ = std::make_unique<OrderedLoop>(*this, policy);
}

Io* Io::of_this_thread() noexcept { return io_of_this_thread; }

void Io::enter_thread(Job* job) noexcept {
  current_ = job;
  begin_inline();
  io_of_this_thread = this;
}

void Io::leave_thread() noexcept {
  current_ = nullptr;
  io_of_this_thread = nullptr;
}

void Io::run(Task<> main) {
  struct Outer {
    ~Outer() { io_of_this_thread = io; }
    Io* const io = io_of_this_thread;
  } const outer;
  std::unique_ptr<Job> job;
  try {
    job = std::make_unique<Job>(*this, std::move(main));
    driver_->attach_thread();
  } catch (...) {
    drop_works();
    throw;
  }
  scheduler_->run(*job.release());
  driver_->detach_thread();
  if (main_exception_) std::rethrow_exception(std::exchange(main_exception_, nullptr));
}

void* Io::kept(std::uint64_t id) const noexcept {
  for (const auto& [its_id, object] : kept_) {
    if (its_id == id) return object.get();
  }
  return nullptr;
}

void Io::keep(std::uint64_t id, std::shared_ptr<void> object) {
  kept_.emplace_back(id, std::move(object));
}

std::uint64_t Io::new_kept_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// The last first: it may use those that were there when it was made.
void Io::drop_kept() noexcept {
  while (!kept_.empty()) {
    const auto last = std::move(kept_.back());
    kept_.pop_back();
  }
}

void Io::begin_main(Job& job) {
  main_done_ = false;
  ++jobs_;
  job.scope = &root_;
  root_.jobs_.push_back(job);
  turn_began_ = driver_->now();
}

void Io::job_ended(Job& job) {
  std::exception_ptr exception;
  try {
    job.task.take();
  } catch (...) {
    exception = std::current_exception();
  }
  if (job.in_inbox.load(std::memory_order_acquire)) {
    const std::lock_guard lock(inbox_mutex_);
    Job** place = &unparked_;
    while (*place && *place != &job) place = &(*place)->next_unparked;
    if (*place) *place = job.next_unparked;
  }
  TaskGroup* const group = job.group;
  delete &job;
  current_ = nullptr;  // a watchdog may look any moment
  --jobs_;
  if (group) {
    group->child_ended(exception);
  } else {
    main_exception_ = exception;
    main_done_ = true;
  }
}

Result<> Io::launch(Task<> task, CancelScope& scope, TaskGroup* group, int serves) {
  Job* const made = Job::make(*this, std::move(task));
  if (!made) return fail(ENOMEM);
  Job& job = *made;
  ++jobs_;
  job.scope = &scope;
  job.group = group;
  job.serves = serves >= 0 || !current_ ? serves : current_->serves;
  scope.jobs_.push_back(job);
  auto launched = scheduler_->launch(job);
  if (!launched) {
    delete &job;
    --jobs_;
  }
  return launched;
}

Op& Io::prepare(OpKind kind, Handle handle) noexcept {
  Op& op = *current_;
  POLYIO_ASSERT(op.state == OpState::idle || op.state == OpState::done);
  op.kind = kind;
  op.handle = handle;
  op.cancel_requested = false;
  op.leases = false;
  op.moved = 0;
  return op;
}

bool Io::begin(Op& op) {
  if (const int reason = job_of(op).scope->reason()) {
    op.result = -reason;
    op.state = OpState::done;
    return true;
  }
  op.started = turn_began_;
  op.state = OpState::pending;
  if (op.kind >= OpKind::sleep) return false;  // not the driver's
  if (!start(op)) {
    if (drains(op)) cancel_op(job_of(op), 0);
    return false;
  }
  op.result = result_of(op, op.result);
  op.state = OpState::done;
  inline_cost_ += op.kind >= OpKind::receive ? op_cost + op.result : op_cost;
  if (inline_cost_ < inline_look_ || may_go_on()) return true;
  ready_.push(job_of(op));
  return false;
}

// Whether the job that has spent so much has a part of its turn left.
bool Io::may_go_on() noexcept {
  inline_look_ = inline_cost_ + inline_step;
  return inline_cost_ < inline_limit && driver_->now() - turn_began_ < inline_time_;
}

// Memory that can't be had is an error like any other of the operation.
bool Io::start(Op& op) {
  if (ahead_ && deliver_ahead(op)) [[unlikely]]
    return true;
  try {
    return driver_->start(op);
  } catch (const std::bad_alloc&) {
    op.result = -ENOMEM;
    return true;
  }
}

// The error that a cancelled op ends with says what cancelled it.
std::int64_t Io::result_of(const Op& op, std::int64_t result) const noexcept {
  if (result != -ECANCELED || !op.cancel_requested) return result;
  const int reason = static_cast<const Job&>(op).scope->reason();
  if (reason) return -reason;
  // No scope asked: a drain did, or the idle sweep.
  return drains(op) ? 0 : -ETIMEDOUT;
}

void Io::complete(Op& op, std::int64_t result) noexcept {
  op.result = result_of(op, result);
  op.state = OpState::done;
  ready_.push(job_of(op));
}

void Io::make_ready(Op& op) noexcept {
  op.state = OpState::retry;
  ready_.push(job_of(op));
}

void Io::cancel_op(Job& job, int reason) {
  Op& op = job;
  if (op.cancel_requested || op.state != OpState::pending) {
    if (op.state == OpState::retry) op.cancel_requested = true;
    return;
  }
  if (op.kind > OpKind::park || op.kind == OpKind::none) return;
  op.cancel_requested = true;
  if (op.kind == OpKind::sleep || op.kind == OpKind::park) {
    complete(op, -reason);
  } else {
    driver_->cancel(op);
  }
}

void Io::arm(Timer& timer, Deadline deadline) {
  if (timers_.arm(timer, deadline)) scheduler_->timer_moved(deadline);
}

void Io::set_idle_timeout(Nanoseconds span) {
  idle_sweep_.span = span;
  timers_.disarm(idle_sweep_);
  if (span > Nanoseconds::zero()) arm(idle_sweep_, deadline_after(now(), span / 4));
}

void Io::IdleSweep::fire_sweep(Timer& timer) {
  auto& self = static_cast<IdleSweep&>(timer);
  Io& io = self.io;
  const TimePoint now = io.now();
  io.for_each_job(io.root_, [&](Job& job) {
    const bool stream = job.kind == OpKind::receive || job.kind == OpKind::send;
    if (stream && now - job.last_progress() >= self.span) io.cancel_op(job, ETIMEDOUT);
  });
  io.arm(self, deadline_after(now, self.span / 4));
}

void Io::drain() {
  draining_ = true;
  driver_->poll(TimePoint::min());  // collects what has arrived: it is delivered
  for_each_job(root_, [this](Job& job) {
    if (drains(job)) cancel_op(job, 0);
  });
}

}  // namespace polyio
