// Scheduler: who runs the jobs of an Io, where Driver is how they wait. It has two forms. The Loop
// (src/io) runs all jobs on one thread, in turns; the Baton (src/drivers, for the blocking model)
// runs each on a thread of its own, one at a time. The driver knows which it needs and makes it
// (Driver::make_scheduler). Either way a job is resumed when it is in the ReadyQueue and its turn
// has come, so the Io does not ask which form it has. Not thread-safe but for wake() and
// progress().
#pragma once

#include <atomic>
#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>

namespace polyio {

class Job;

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Runs `main` and what is launched meanwhile on the calling thread until `main` has ended.
  virtual void run(Job& main) = 0;
  // Lets a new job begin. Errors, after which the job is still the caller's: where jobs have
  // threads, EAGAIN or ENOMEM when none can be had and Errc::concurrency_unavailable after
  // lend_no_threads().
  virtual Result<> launch(Job& job) = 0;
  // Another thread handed something in (Io::unpark, Io::post): it is looked at soon. Thread-safe.
  virtual void wake() noexcept = 0;
  // The Io's earliest timer is due at `deadline`, sooner than the one before.
  virtual void timer_moved(Deadline deadline) noexcept = 0;
  // True: every job has a thread of its own. False: they take turns on one.
  virtual bool thread_per_job() const noexcept = 0;
  // From now on launch() answers Errc::concurrency_unavailable where a job needs a thread.
  virtual void lend_no_threads() noexcept {}
  // Another thread is in wake(), and may use the driver that was replaced. Thread-safe.
  virtual bool being_woken() const noexcept { return false; }
  // The Io's driver is another one.
  virtual void driver_changed() noexcept {}
  // See Io::set_spin.
  virtual void set_spin(Nanoseconds) noexcept {}

  // See Io::progress.
  std::uint64_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }

 protected:
  Scheduler() = default;
  // By the loop's own thread alone, so there is no need for a locked instruction.
  void advance(std::uint64_t by) noexcept {
    progress_.store(progress_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> progress_{1};
};

}  // namespace polyio
