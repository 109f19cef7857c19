// Baton: the scheduler of the blocking model. Every job has a thread: main the one that called
// Io::run, each other job one that is lent to it. The rule: the threads of an Io pass a baton, and
// only its holder runs a job or touches the Io. A thread puts the baton down while its job waits,
// in a system call (BlockingDriver) or for its turn; whoever puts it down wakes the thread of
// the job that has been ready longest.
//
// Timers, and work posted from other threads while every thread of the Io is inside a call, are
// the timekeeper's: one thread for all batons of the process.
#pragma once

#include <list>
#include <mutex>
#include <polyio/io/io.hpp>
#include <polyio/os/thread.hpp>

namespace polyio {

class Baton final : public Scheduler {
 public:
  // Throws std::bad_alloc, and std::system_error when the timekeeper's thread can't be had.
  explicit Baton(Io& io);
  // Returns when neither a lent thread nor the timekeeper comes to the Io any more.
  ~Baton() override;

  void run(Job& main) override;
  Result<> launch(Job& job) override;
  void wake() noexcept override;
  void timer_moved(Deadline deadline) noexcept override;
  bool thread_per_job() const noexcept override { return true; }
  void lend_no_threads() noexcept override { lends_ = false; }

  // Around a system call of the job that the calling thread runs.
  void put_down() noexcept {
    io_.leave_thread();
    if (service_wanted_.load() || !io_.ready().empty()) serve_holding();
    mutex_.unlock();
    // Paired fences, here, in wake() and in serve(): either the holder sees service_wanted_ after
    // unlocking, or the caller of wake() gets the baton.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (service_wanted_.load()) serve_again();
  }
  void take_up(Job& job) {
    mutex_.lock();
    io_.enter_thread(&job);
  }
  // Called by the timekeeper: does what is due, unless the holder will.
  void serve() noexcept;

 private:
  struct Lent {
    os::Thread thread;
    std::atomic<bool> ended{false};
  };

  void run_to_end(Job& job);
  bool retry(Job& job);
  void serve_holding() noexcept;
  void serve_again() noexcept;
  void service_waits() noexcept;
  void wake_ready() noexcept;
  void join_ended();

  Io& io_;
  std::mutex mutex_;  // held: the baton is taken
  std::atomic<bool> service_wanted_{false};
  bool woken_ = false;  // a ready job's thread is on its way to the baton
  std::list<Lent> lent_;
  bool lends_ = true;
};

}  // namespace polyio
