// ThreadPoolExecutor::Watch: multilevel feedback for the threads of a pool, of which nothing has to
// be known and nothing declared. A work begins at the upper of two levels. Its thread is one that
// the kernel runs like any other; when the work has used the processor for a quantum, the thread is
// demoted: the kernel lets it run only when no other one wants to, and stops it at once when one
// does. That is real pre-emption, in the middle of a computation. The demoted thread has left the
// pool's line to the others, a new one takes its place, and it ends with its work, because an
// ordinary user can't undo a demotion.
//
// One thread looks at those that are busy, twice in a quantum; it sleeps while none is. The rule:
// everything here is done under the pool's mutex.
#pragma once

#include <polyio/exec/thread_pool.hpp>
#include <polyio/os/thread.hpp>
#include <polyio/sched/policy.hpp>

namespace polyio {

class ThreadPoolExecutor::Watch {
 public:
  struct WorkerTag;
  // A thread of the pool, whose own variable this is. Its level is that of the policy's entry.
  struct Worker : sched::Entry, ListNode<WorkerTag> {
    const os::ThreadReference thread = os::ThreadReference::current();
    std::uint64_t works = 0;  // that it has begun
    bool busy = false;
    bool demoted = false;

    std::uint64_t seen = 0;     // the work that is being measured
    TimePoint looked_at{};      // last
    Nanoseconds used_before{};  // the thread's processor time then
  };

  explicit Watch(ThreadPoolExecutor& pool);

  // Before the pool's first thread. Throws std::system_error when no thread can be had.
  void start();
  // Returns when it has ended, which it does once the pool is ending and its line is empty. Not
  // under the mutex.
  void join() noexcept;

  // A thread is wanted, or the pool is over. Threads are started by the watch alone: one that a
  // demoted thread starts is born demoted.
  void ask() noexcept {
    asked_ = true;
    changed_.notify_one();
  }

  void add(Worker& worker) noexcept { workers_.push_back(worker); }
  void begins(Worker& worker) noexcept {
    worker.busy = true;
    ++worker.works;
    if (++busy_ == 1 && asleep_) changed_.notify_one();
  }
  // False: the worker was demoted, and is to end.
  bool ends(Worker& worker) noexcept;
  unsigned demoted() const noexcept { return demoted_; }

 private:
  void run();
  void look_at(Worker& worker) noexcept;
  void add_threads() noexcept;

  ThreadPoolExecutor& pool_;
  const std::unique_ptr<sched::Policy> policy_;
  List<Worker, WorkerTag> workers_;
  unsigned busy_ = 0, demoted_ = 0;
  bool asleep_ = false, asked_ = false;
  std::condition_variable changed_;
  os::Thread thread_;
  bool started_ = false;
};

}  // namespace polyio
