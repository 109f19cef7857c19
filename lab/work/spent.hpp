// What a piece of work took: time, processor time, and how many of its tasks ran at once.
#pragma once

#include <algorithm>
#include <atomic>

namespace polyio::lab {

// Of this process, and of the children that it has waited for.
struct Spent {
  double seconds = 0, cpu_seconds = 0;
  double waits = 0;  // voluntary context switches

  static Spent now();
  static Spent since(const Spent& before);
};

// Counts tasks of one or more threads; where it lies in shared memory, of processes.
struct AtOnce {
  std::atomic<unsigned> running{0}, peak{0};

  class Task {
   public:
    explicit Task(AtOnce& owner) noexcept : owner_(owner) {
      const unsigned now = ++owner.running;
      unsigned most = owner.peak;
      while (most < now && !owner.peak.compare_exchange_weak(most, now)) {
      }
    }
    ~Task() { --owner_.running; }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    AtOnce& owner_;
  };
};

}  // namespace polyio::lab
