// SimSync: what ThreadSync is for threads, on the simulated kernel, where a seed decides who goes
// on.
#pragma once

#include <climits>
#include <mutex>

#include "ipc/sim_kernel.hpp"

namespace polyio::exec_test {

using ipc::test::SimKernel;

// A mutex and a condition of few steps: with ipc::BasicMutex and BasicCondition, 2,000 seeds did
// not find a Crew whose threads go to sleep without a last look at the line.
struct SimSync {
  class Mutex {
   public:
    void lock() {
      while (word_.exchange(2) != 0) SimKernel::sleep(word_.futex(), 2, never);
    }
    void unlock() {
      if (word_.exchange(0) == 2) SimKernel::wake(word_.futex(), 1);
    }

   private:
    ipc::Word<SimKernel> word_;
  };
  class Condition {
   public:
    void wait(std::unique_lock<Mutex>& lock) {
      const std::uint32_t seen = word_.load();
      lock.unlock();
      SimKernel::sleep(word_.futex(), seen, never);
      lock.lock();
    }
    template <class Holds>
    void wait(std::unique_lock<Mutex>& lock, Holds holds) {
      while (!holds()) wait(lock);
    }
    void notify_one() { notify(1); }
    void notify_all() { notify(INT_MAX); }

   private:
    void notify(int count) {
      word_.fetch_add(1);
      SimKernel::wake(word_.futex(), count);
    }
    ipc::Word<SimKernel> word_;
  };
  template <class T>
  struct Word : ipc::Word<SimKernel, T> {
    using ipc::Word<SimKernel, T>::Word;
    bool compare_exchange_weak(T& expected, T desired,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) {
      return this->compare_exchange(expected, desired);
    }
    T fetch_or(T bits, std::memory_order) {
      T value = this->load();
      while (!this->compare_exchange(value, value | bits)) {
      }
      return value;
    }
  };
  static std::unique_lock<Mutex> lock(Mutex& mutex) { return std::unique_lock(mutex); }
  template <class T>
  static void spin_until_changed(const Word<T>& word, T from) {
    for (int look = 0; look < 3 && word.load() == from; ++look) {
    }
  }
};

}  // namespace polyio::exec_test
