// Io: what a handler waits through. It owns one driver, the I/O model, and runs the jobs that wait
// on it, one at a time: two tasks of one Io never run at the same moment, under the blocking model
// either, so they may share data without locks. Everything is for the Io's own tasks but post() and
// unpark(), which any thread may call.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <polyio/base/result.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/driver.hpp>
#include <polyio/io/job.hpp>
#include <polyio/io/timer.hpp>
#include <vector>

namespace polyio {

class Datagram;
class Listener;
class Stream;

class Io {
 public:
  explicit Io(std::unique_ptr<Driver> driver);
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // Runs `main` and what it spawns to the end on the calling thread; rethrows what it threw.
  void run(Task<> main);

  // --- waiting; each ends early with operation_canceled or timed_out when its scope is cancelled
  // ---
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
  // primitives are made of (room sync): look at the condition again after each park.
  ParkAwaiter park() noexcept;
  // The same, but no cancel and no deadline ends it: for what must not be left, such as a function
  // that another thread runs on the caller's variables. Gives nothing.
  ShieldedParkAwaiter park_shielded() noexcept;
  // Ends the job's park. Thread-safe, takes no lock of the caller's; the caller makes sure that the
  // job cannot end meanwhile, by holding a lock which the job takes before it goes.
  void unpark(Job& job);
  // Calls `work` on this Io between jobs, in the order posted. Thread-safe; the caller knows that
  // the Io's run() has not ended. What is left when it ends is dropped.
  void post(std::move_only_function<void()> work);

  // --- sockets ---
  Result<Listener> listen(const os::Address& address, int backlog);
  // Makes a listening socket this Io's; on error it is closed. `shared`: others accept on it too.
  Result<Listener> adopt_listener(os::UniqueFd socket, bool shared = false);
  Task<Result<Stream>> connect(os::Address address);
  // Makes a connected socket this Io's; on error it is closed.
  Result<Stream> adopt(os::UniqueFd socket);
  // A datagram socket (UDP, or Unix) bound to `address`; port 0: any free one.
  Result<Datagram> bind(const os::Address& address);

  // --- what runs here ---
  TimePoint now() noexcept { return blocks_ ? driver_->now() : now_; }
  Driver& driver() noexcept { return *driver_; }
  Job& current() noexcept { return *current_; }
  // The same where there may be none: between jobs.
  Job* current_or_none() noexcept { return current_; }
  // The Io whose jobs the calling thread runs at the moment; none: nullptr.
  static Io* of_this_thread() noexcept;
  // The Io that shared state of this one's connection is kept on: itself, but for a
  // thread-per-connection thread's Io, where it is the acceptor's.
  Io& home() noexcept { return *home_; }
  void set_home(Io& home) noexcept { home_ = &home; }
  // Ends every receive and send that makes no progress for `span` with timed_out; zero: none.
  void set_idle_timeout(Nanoseconds span);
  // Before it sleeps, the Io looks again and again for up to `span`: an event then costs no wake-up
  // of the thread, and waiting costs the core. Adaptive: once nothing came within the
  // span it sleeps at once, until waits are short again. Zero: never. No effect under the blocking
  // model.
  void set_spin(Nanoseconds span) noexcept { spin_ = span; }
  // From now on a receive that would have to wait tells the end of file, as if the peer had
  // finished: the way to let handlers finish what they have and end. What arrived is still
  // delivered.
  void drain();
  bool draining() const noexcept { return draining_; }
  // Cancels everything that runs here.
  void cancel_all() { root_.cancel(); }
  // Jobs alive and timers armed, for tests and statistics.
  std::size_t jobs() const noexcept { return jobs_; }
  std::size_t timers() const noexcept { return timers_.size(); }

  // How far the loop is, for a watchdog: changes with every job resumed and with every wait, and is
  // odd while the loop waits, or does not run. Thread-safe. Costs the loop, in machine code, one
  // `addq` per job resumed and two `incq` per turn, of some 750 instructions per echo. The blocking
  // model has no loop: there it says nothing of use.
  std::uint64_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }

  // --- for drivers, awaiters and scopes ---
  // The current job's Op, made ready for a new operation of `kind`.
  Op& prepare(OpKind kind, Handle handle = {}) noexcept;
  // Starts it; true: it has ended and the job goes on without being suspended.
  bool begin(Op& op);
  // Ends a pending op.
  void complete(Op& op, std::int64_t result) noexcept;
  // A pending op's descriptor is ready: it will be retried when its turn comes.
  void make_ready(Op& op) noexcept;
  // Runs one job until it waits or ends.
  void run_job(Job& job);
  // Delivers unparks from other threads and fires the timers that are due. Runs no code of the
  // user's.
  void service_waits();
  // Runs what was posted.
  void service_works();
  bool works_posted() const noexcept { return works_filled_.load(); }
  void arm(Timer& timer, Deadline deadline);
  void disarm(Timer& timer) noexcept { timers_.disarm(timer); }
  CancelScope& root_scope() noexcept { return root_; }
  // Makes and starts a job; what TaskGroup::spawn is made of.
  Result<> launch(Task<> task, CancelScope& scope, TaskGroup* group, int serves = -1);
  void enter_thread(Job* job) noexcept;

 private:
  friend class CancelScope;
  struct IdleSweep : Timer {
    explicit IdleSweep(Io& owner) : Timer(fire_sweep), io(owner) {}
    static void fire_sweep(Timer& timer);
    Io& io;
    Nanoseconds span{0};
  };

  static constinit thread_local Io* io_of_this_thread;
  static void prefetch(const List<Job, ReadyTag>& ready) noexcept;
  // By the loop's own thread alone, so there is no need for a locked instruction.
  void advance(std::uint64_t by) noexcept {
    progress_.store(progress_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void run_ready();
  void drop_works();  // or the blocking model's timekeeper would run them after the end
  void wait();
  bool spin(Deadline until);
  bool start(Op& op);
  bool handed_in() const noexcept { return unparked_filled_.load() || works_filled_.load(); }
  void rouse();
  std::int64_t result_of(const Op& op, std::int64_t result) const noexcept;
  void cancel_op(Job& job, int reason);
  void give_permit(Job& job) noexcept;
  void job_ended(Job& job);
  // Calls `visit(job)` for every job in `scope` and the scopes inside it.
  template <class Visit>
  void for_each_job(CancelScope& scope, Visit visit);

  std::unique_ptr<Driver> driver_;
  const bool blocks_;
  bool main_done_ = false;
  bool draining_ = false;
  bool spin_pays_ = true;
  Nanoseconds spin_{0};
  TimePoint now_;
  Io* home_ = this;
  Job* current_ = nullptr;
  unsigned inline_ops_ = 0;  // operations in a row that ended at once, since the job was resumed
  std::size_t jobs_ = 0;
  std::atomic<std::uint64_t> progress_{1};
  List<Job, ReadyTag> ready_;
  TimerHeap timers_;
  CancelScope root_;
  IdleSweep idle_sweep_;
  std::exception_ptr main_exception_;

  // What other threads hand in, and whether they have to wake this one for it: on cache lines of
  // its own, or their posts would slow down what this thread does meanwhile.
  alignas(64) std::mutex inbox_mutex_;
  Job* unparked_ = nullptr;  // the latest, and from there on: an unpark can't fail
  std::vector<std::move_only_function<void()>> works_;
  std::atomic<bool> unparked_filled_{false};
  std::atomic<bool> works_filled_{false};
  std::atomic<bool> sleeping_{false};
  std::atomic<unsigned> posting_{0};  // threads inside post()
};

// What an awaiter of an operation has in common: it suspends unless the operation ended at once.
class OpAwaiter {
 public:
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
  ~SleepAwaiter() { io_->disarm(*this); }
  bool await_ready();
  Result<> await_resume() noexcept { return outcome(); }

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
  return SleepAwaiter(*this, deadline_after(driver_->now(), span));  // now() may be a while ago
}
inline Io::SleepAwaiter Io::sleep_until(Deadline deadline) noexcept {
  return SleepAwaiter(*this, deadline);
}
inline Io::YieldAwaiter Io::yield() noexcept { return YieldAwaiter(*this); }
inline Io::ParkAwaiter Io::park() noexcept { return ParkAwaiter(*this); }
inline Io::ShieldedParkAwaiter Io::park_shielded() noexcept { return ShieldedParkAwaiter(*this); }

}  // namespace polyio
