// Io: what a handler waits through. It owns one driver, the I/O model, and one scheduler, which
// runs the jobs that wait on it: one at a time, also where each has a thread of its own (the
// blocking model), so tasks of one Io may share data without locks. For the Io's own tasks; only
// post() and unpark() may be called from other threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <polyio/base/result.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/driver.hpp>
#include <polyio/io/job.hpp>
#include <polyio/io/ready_queue.hpp>
#include <polyio/io/scheduler.hpp>
#include <polyio/io/timer.hpp>
#include <polyio/sched/kind.hpp>
#include <vector>

namespace polyio {

class Datagram;
class Listener;
class Stream;

class Io {
 public:
  // Throws what Driver::make_scheduler throws.
  explicit Io(std::unique_ptr<Driver> driver);
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // Runs `main` and what it spawns to the end on the calling thread; rethrows what it threw.
  void run(Task<> main);

  // --- waiting ---
  // Each wait ends early with operation_canceled or timed_out when its scope is cancelled.
  class SleepAwaiter;
  class ParkAwaiter;
  class ShieldedParkAwaiter;
  class YieldAwaiter;
  // `Result<> r = co_await io.sleep(10ms);`
  SleepAwaiter sleep(Nanoseconds span) noexcept;
  SleepAwaiter sleep_until(Deadline deadline) noexcept;
  // Lets every other ready job run first.
  YieldAwaiter yield() noexcept;
  // Waits for an unpark of the current job; one that came before counts. What synchronisation
  // primitives are made of (io/waiter.hpp): look at the condition again after each park.
  ParkAwaiter park() noexcept;
  // The same, but no cancel and no deadline ends it: for a wait that must not be left, such as for
  // a function that another thread runs on the caller's variables. Its value is void.
  ShieldedParkAwaiter park_shielded() noexcept;
  // Wakes the job from park(). Thread-safe. Keep the job alive during the call: hold a mutex that
  // the job must lock before it ends.
  void unpark(Job& job);
  // Calls `work` on this Io between jobs, in the order posted: inside run(), never before or after
  // it. Thread-safe; the caller knows that run() has not ended. Works that are left when it ends,
  // and when it throws because it can't begin, are dropped. What one throws ends neither the loop
  // nor the other works.
  void post(std::move_only_function<void()> work);
  // Receives what a posted work threw, which else goes to stderr. Before run().
  void set_work_failed(std::function<void(const std::exception_ptr&)> report) {
    work_failed_ = std::move(report);
  }
  // What the current job's next operation would fail with before it began. Errors:
  // operation_canceled, timed_out.
  Result<> check_cancelled() const { return current_->scope->check(); }

  // --- sockets ---
  Result<Listener> listen(const os::Address& address, int backlog);
  // Makes a listening socket this Io's; on error it is closed. `shared`: others accept on it too.
  Result<Listener> adopt_listener(os::UniqueFd socket, bool shared = false);
  Task<Result<Stream>> connect(os::Address address);
  // Makes a connected socket this Io's; on error it is closed.
  Result<Stream> adopt(os::UniqueFd socket);
  // The same with a descriptor of any kind that can be waited for: a pipe, a FIFO, a terminal, a
  // character device, a socket. Its stream receives and sends what is read and written; what is of
  // sockets only fails (ENOTSOCK). From then on SIGPIPE is ignored in this process, if it had no
  // handler: a write to a pipe without a reader is EPIPE. A shared file description that can't be
  // opened anew may change its O_NONBLOCK. Errors: EPERM, a file or directory: read those by
  // offload(); EOPNOTSUPP in a simulated network.
  Result<Stream> adopt_descriptor(os::UniqueFd fd);
  // A datagram socket (UDP, or Unix) bound to `address`; port 0: any free one.
  Result<Datagram> bind(const os::Address& address);

  // --- what runs here ---
  // The clock that this Io's deadlines count on.
  TimePoint now() noexcept { return driver_->now(); }
  Driver& driver() noexcept { return *driver_; }
  Job& current() noexcept { return *current_; }
  // nullptr between jobs.
  Job* current_or_none() noexcept { return current_; }
  // The Io whose jobs the calling thread runs at the moment; none: nullptr.
  static Io* of_this_thread() noexcept;
  // The Io on which state shared with other connections is kept: this one, except that the Io of a
  // thread-per-connection thread has the acceptor's.
  Io& home() noexcept { return *home_; }
  void set_home(Io& home) noexcept { home_ = &home; }
  // Ends every receive and send that makes no progress for `span` with timed_out; zero: none.
  void set_idle_timeout(Nanoseconds span);
  // Busy-polls for up to `span` before it sleeps: saves a thread wake-up per event at the price of
  // CPU time. Adaptive: a fruitless spin disables spinning until waits are short again. Zero:
  // never. No effect under the blocking model.
  void set_spin(Nanoseconds span) noexcept { scheduler_->set_spin(span); }
  // Which of the ready jobs goes next (docs/scheduling.md); else first come, first served. At most
  // once, before everything else. Throws std::invalid_argument where every job has a thread, which
  // the kernel schedules.
  void set_policy(sched::Kind policy);
  // Puts another I/O model in the place of this one, under everything that is open and waits here:
  // no byte is lost, operations that have not ended go on with `next`, timers and leases stay. By
  // the Io's own tasks, or what is posted to it, inside run(). Errors, after which nothing has
  // changed: EOPNOTSUPP, one of the two can't (blocking, posix-aio); EOVERFLOW, a descriptor is too
  // large for the new model; ENOMEM and what the new model needs and can't be had. Costs a few
  // system calls per open handle, during which the Io stands still (docs/models.md).
  Result<> set_driver(std::unique_ptr<Driver> next);
  // True where every job has a thread of its own (the blocking model): a job that computes holds up
  // no other one for longer than to its next wait, and spawn() can fail for lack of a thread.
  // False: jobs take turns.
  bool thread_per_job() const noexcept { return scheduler_->thread_per_job(); }
  // From now on spawn() answers Errc::concurrency_unavailable where a job needs a thread.
  void lend_no_threads() noexcept { scheduler_->lend_no_threads(); }
  // From now on a receive that would have to wait reports the end of file, as if the peer had
  // finished: handlers process what they have and end. Bytes that arrived are still delivered.
  // Streams that are kept (Stream::keep_in_drain) go on.
  void drain();
  bool draining() const noexcept { return draining_; }
  // The same of one operation: a receive, of a connection that a drain brings to its end.
  bool drains(const Op& op) const noexcept {
    return draining_ && op.kind == OpKind::receive && !op.handle.kept_in_drain;
  }
  // Calls `note` each time that a receive finds no large buffer for its lease: handlers hold them
  // all (io/lease_pool.hpp). It must not throw; it is called on the thread that runs the job.
  // Without one the first time is reported on stderr.
  void on_lease_shortage(std::move_only_function<void()> note) {
    on_lease_shortage_ = std::move(note);
  }
  // Cancels everything that runs here.
  void cancel_all() { root_.cancel(); }
  // Objects that live until the end of this run(), by an id that new_kept_id() gave; what PerIo is
  // made of. nullptr: there is none.
  void* kept(std::uint64_t id) const noexcept;
  void keep(std::uint64_t id, std::shared_ptr<void> object);
  static std::uint64_t new_kept_id() noexcept;  // thread-safe
  // Jobs alive and timers armed, for tests and statistics.
  std::size_t jobs() const noexcept { return jobs_; }
  std::size_t timers() const noexcept { return timers_.size(); }
  // Drivers that were replaced, and whose leases are not all back.
  std::size_t retired_drivers() const noexcept { return retired_.size(); }

  // Tells a watchdog whether the loop gets on: changes with every job resumed and with every wait,
  // and is odd while the loop waits, or does not run. Thread-safe. Costs the loop, in machine code,
  // one `addq` per job resumed and two `incq` per turn, of some 750 instructions per echo. Constant
  // under the blocking model, which has no loop.
  std::uint64_t progress() const noexcept { return scheduler_->progress(); }

  // --- for drivers, awaiters and scopes ---
  // The current job's Op, made ready for a new operation of `kind`.
  Op& prepare(OpKind kind, Handle handle = {}) noexcept;
  // Starts it; true: it has ended and the job goes on without being suspended.
  bool begin(Op& op);
  // Ends a pending op. Its job is resumed later, when its turn comes: a driver that collects events
  // never finds its own state changed by a handler.
  void complete(Op& op, std::int64_t result) noexcept;
  // A pending op's descriptor is ready: it will be retried when its turn comes.
  void make_ready(Op& op) noexcept;
  void lease_shortage() noexcept {
    if (on_lease_shortage_) on_lease_shortage_();
  }
  void arm(Timer& timer, Deadline deadline);
  void disarm(Timer& timer) noexcept { timers_.disarm(timer); }
  // What sockets ask of the driver, with what a driver before it has received ahead.
  void close(Handle handle) noexcept {
    if (ahead_) [[unlikely]]
      drop_ahead(handle);
    driver_->close(handle);
  }
  Result<os::UniqueFd> release(Handle handle);
  bool quiet(Handle handle) { return !has_ahead(handle) && driver_->quiet(handle); }
  bool stop_accepting(Handle handle) noexcept {
    return driver_->stop_accepting(handle) || has_ahead(handle);
  }
  // Makes and starts a job; what TaskGroup::spawn is made of.
  Result<> launch(Task<> task, CancelScope& scope, TaskGroup* group, int serves = -1);

  // --- for schedulers ---
  // From now on the calling thread runs jobs of this Io, `job` first (nullptr: none yet); until
  // leave_thread().
  void enter_thread(Job* job) noexcept;
  void leave_thread() noexcept;
  // Takes in the job that Io::run made; main_done() once it has ended, and before it began.
  void begin_main(Job& job);
  bool main_done() const noexcept { return main_done_; }
  ReadyQueue& ready() noexcept { return ready_; }
  // Tries an operation in state retry. False: it is pending once more.
  bool retry(Op& op) {
    if (ahead_ && deliver_ahead(op)) [[unlikely]]
      return true;
    return driver_->retry(op);
  }
  // Resumes the job, which then waits again, or has ended and is gone: true.
  bool run_job(Job& job);
  // When the jobs of this turn began to run; operations count their start from there.
  TimePoint turn_began() const noexcept { return turn_began_; }
  void begin_turn(TimePoint now) noexcept { turn_began_ = now; }
  // The same for one job's turn, which lasts for `span` at most.
  void begin_turn(TimePoint now, Nanoseconds span) noexcept {
    turn_began_ = now;
    inline_time_ = std::min(span, longest_turn);
  }
  // When the earliest timer is due, or a little before.
  Deadline next_timer() const noexcept { return timers_.next(); }
  // Whether other threads handed anything in that was not taken yet.
  bool handed_in() const noexcept { return unparked_filled_.load() || works_filled_.load(); }
  bool works_posted() const noexcept { return works_filled_.load(); }
  // Delivers unparks from other threads and fires the timers that are due. Runs no handler.
  void service_waits(TimePoint now);
  // Runs what was posted.
  void service_works();
  // After main's end, while no other thread serves this Io: drops what was posted, or it would run
  // after the end, and the state that the Io keeps, which may use its timers until then.
  void end_run();

 private:
  void drop_works();
  void drop_kept() noexcept;
  void report_failed_work(const std::exception_ptr& exception) noexcept;
  friend class CancelScope;
  struct IdleSweep : Timer {
    explicit IdleSweep(Io& owner) : Timer(fire_sweep), io(owner) {}
    static void fire_sweep(Timer& timer);
    Io& io;
    Nanoseconds span{0};
  };

  static constexpr std::int64_t inline_step = 8 * 1024;
  static constexpr Nanoseconds longest_turn = std::chrono::milliseconds(1);
  static constinit thread_local Io* io_of_this_thread;
  bool start(Op& op);
  bool deliver_ahead(Op& op) noexcept;
  bool has_ahead(Handle handle) const noexcept;
  void drop_ahead(Handle handle) noexcept;
  void look_ahead() noexcept;
  void name_lenders(Driver& lender) noexcept;
  void drop_retired() noexcept;
  bool may_go_on() noexcept;
  void begin_inline() noexcept {
    inline_cost_ = 0;
    inline_look_ = inline_step;
  }
  std::int64_t result_of(const Op& op, std::int64_t result) const noexcept;
  void cancel_op(Job& job, int reason);
  void give_permit(Job& job) noexcept;
  void job_ended(Job& job);
  // Calls `visit(job)` for every job in `scope` and the scopes inside it.
  template <class Visit>
  void for_each_job(CancelScope& scope, Visit visit);

  // Drivers that were replaced: until their leases are back, and what they received ahead is gone.
  std::vector<std::unique_ptr<Driver>> retired_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<Scheduler> scheduler_;
  bool ahead_ = false;     // one of retired_ has something
  TimePoint next_look_{};  // at whether they may go
  bool main_done_ = true;
  bool draining_ = false;
  TimePoint turn_began_;
  Io* home_ = this;
  Job* current_ = nullptr;
  // What the job has spent on operations that ended at once since it was resumed, and at which sum
  // its turn is looked at.
  std::int64_t inline_cost_ = 0, inline_look_ = 0;
  Nanoseconds inline_time_ = longest_turn;  // and for how long it may go on
  std::size_t jobs_ = 0;
  ReadyQueue ready_;
  TimerHeap timers_;
  CancelScope root_;
  IdleSweep idle_sweep_;
  std::vector<std::pair<std::uint64_t, std::shared_ptr<void>>> kept_;  // few
  std::exception_ptr main_exception_;
  std::function<void(const std::exception_ptr&)> work_failed_;
  std::move_only_function<void()> on_lease_shortage_;

  // What other threads hand in. On a cache line of its own: their posts would slow down the rest.
  alignas(64) std::mutex inbox_mutex_;
  Job* unparked_ = nullptr;  // the latest, which links to the one before: an unpark can't fail
  std::vector<std::move_only_function<void()>> works_;
  std::atomic<bool> unparked_filled_{false};
  std::atomic<bool> works_filled_{false};
  std::atomic<unsigned> posting_{0};  // threads inside post()
};

template <class Visit>
void Io::for_each_job(CancelScope& scope, Visit visit) {
  for (Job* job = scope.jobs_.front(); job; job = scope.jobs_.next(*job)) visit(*job);
  for (CancelScope* child = scope.children_.front(); child; child = scope.children_.next(*child)) {
    for_each_job(*child, visit);
  }
}

inline bool Io::run_job(Job& job) {
  current_ = &job;
  begin_inline();
  job.resume.resume();
  const bool ended = job.task.done();
  if (ended) job_ended(job);
  current_ = nullptr;
  return ended;
}

// What an awaiter of an operation has in common: it suspends unless the operation ended at once.
class OpAwaiter {
 public:
  using PolyioAwaitable = void;
  void await_suspend(std::coroutine_handle<> caller) noexcept { io_->current().resume = caller; }

 protected:
  explicit OpAwaiter(Io& io) noexcept : io_(&io) {}
  Result<> outcome() const noexcept {
    const std::int64_t result = io_->current().result;
    if (result < 0) return fail(static_cast<int>(-result));
    return {};
  }
  Io* io_;
};

class Io::SleepAwaiter : public OpAwaiter, private Timer {
 public:
  SleepAwaiter(Io& io, Deadline until) noexcept : OpAwaiter(io), Timer(on_fire), until_(until) {}
  bool await_ready();
  // The timer refers to the job, which may end before the statement does (when_any).
  Result<> await_resume() noexcept {
    io_->disarm(*this);
    return outcome();
  }

 private:
  static void on_fire(Timer& timer);
  Deadline until_;
  Op* op_ = nullptr;
};

class Io::ParkAwaiter : public OpAwaiter {
 public:
  explicit ParkAwaiter(Io& io) noexcept : OpAwaiter(io) {}
  bool await_ready();
  Result<> await_resume() noexcept { return outcome(); }
};

class Io::ShieldedParkAwaiter : public OpAwaiter {
 public:
  explicit ShieldedParkAwaiter(Io& io) noexcept : OpAwaiter(io) {}
  bool await_ready();
  void await_resume() noexcept {}
};

class Io::YieldAwaiter : public OpAwaiter {
 public:
  explicit YieldAwaiter(Io& io) noexcept : OpAwaiter(io) {}
  bool await_ready();
  Result<> await_resume() noexcept { return outcome(); }
};

inline Io::SleepAwaiter Io::sleep(Nanoseconds span) noexcept {
  return SleepAwaiter(*this, deadline_after(now(), span));
}
inline Io::SleepAwaiter Io::sleep_until(Deadline deadline) noexcept {
  return SleepAwaiter(*this, deadline);
}
inline Io::YieldAwaiter Io::yield() noexcept { return YieldAwaiter(*this); }
inline Io::ParkAwaiter Io::park() noexcept { return ParkAwaiter(*this); }
inline Io::ShieldedParkAwaiter Io::park_shielded() noexcept { return ShieldedParkAwaiter(*this); }

}  // namespace polyio
