// Loop: the scheduler that runs all jobs of an Io on the one thread that called Io::run. A turn
// takes in what other threads handed in, fires timers, resumes the jobs that are ready and then
// polls the driver, sleeping in it when there is nothing else to do.
#pragma once

#include <polyio/io/io.hpp>

namespace polyio {

class Loop : public Scheduler {
 public:
  explicit Loop(Io& io) noexcept : io_(io), driver_(&io.driver()) {}

  void run(Job& main) override;
  Result<> launch(Job& job) override;
  void wake() noexcept override;
  bool being_woken() const noexcept override { return waking_.load() > 0; }
  void driver_changed() noexcept override { driver_.store(&io_.driver()); }
  void timer_moved(Deadline) noexcept override {}  // looked at in every turn
  bool thread_per_job() const noexcept override { return false; }
  void set_spin(Nanoseconds span) noexcept override { spin_ = span; }

 protected:
  // Turn after turn until `main` has ended: `run_ready()` resumes jobs, `idle()` says whether none
  // is ready any more.
  template <class RunReady, class Idle>
  void run_turns(Job& main, RunReady run_ready, Idle idle);
  // Whether a ready job can be resumed. False: its operation found nothing, and it waits again.
  bool begins(Job& job) {
    if (job.state == OpState::retry && !io_.retry(job)) {
      job.state = OpState::pending;
      if (job.cancel_requested) driver().cancel(job);
      return false;
    }
    job.state = OpState::done;
    advance(2);
    return true;
  }

  Driver& driver() const noexcept { return *driver_.load(std::memory_order_relaxed); }

  Io& io_;

 private:
  static void prefetch(const ReadyQueue::Batch& batch) noexcept;
  void run_ready();
  void wait(bool idle);
  bool spin(Deadline until);

  Nanoseconds spin_{0};
  bool spin_pays_ = true;
  // Whether other threads have to wake this one. They write it, so it has a cache line of its own.
  alignas(64) std::atomic<bool> sleeping_{false};
  std::atomic<unsigned> waking_{0};  // threads that do, and may have the driver before this one
  std::atomic<Driver*> driver_;
};

template <class RunReady, class Idle>
void Loop::run_turns(Job& main, RunReady run_ready, Idle idle) {
  io_.enter_thread(nullptr);
  io_.begin_main(main);
  advance(1);
  io_.ready().push(main);
  run_ready();  // main begins before what was posted to this Io already, which may count on it
  while (!io_.main_done()) {
    io_.service_waits(io_.turn_began());
    io_.service_works();
    run_ready();
    if (io_.main_done()) break;
    wait(idle());
  }
  io_.end_run();
  advance(1);
}

}  // namespace polyio
