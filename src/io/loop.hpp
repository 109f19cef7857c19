// Loop: the scheduler that runs all jobs of an Io on the one thread that called Io::run. A turn
// takes in what other threads handed in, fires timers, resumes the jobs that are ready and then
// polls the driver, sleeping in it when there is nothing else to do.
#pragma once

#include <polyio/io/io.hpp>

namespace polyio {

class Loop final : public Scheduler {
 public:
  explicit Loop(Io& io) noexcept : io_(io), driver_(io.driver()) {}

  void run(Job& main) override;
  Result<> launch(Job& job) override;
  void wake() noexcept override;
  void timer_moved(Deadline) noexcept override {}  // looked at in every turn
  bool thread_per_job() const noexcept override { return false; }
  void set_spin(Nanoseconds span) noexcept override { spin_ = span; }

 private:
  static void prefetch(const ReadyQueue::Batch& batch) noexcept;
  void run_ready();
  void wait();
  bool spin(Deadline until);

  Io& io_;
  Driver& driver_;
  Nanoseconds spin_{0};
  bool spin_pays_ = true;
  // Whether other threads have to wake this one. They write it, so it has a cache line of its own.
  alignas(64) std::atomic<bool> sleeping_{false};
};

}  // namespace polyio
