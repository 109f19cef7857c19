// Timekeeper: the one thread that serves the blocking model of the whole process. It calls serve()
// of a Baton when its timers are due or it asks for that, and repeats the signal that gets a thread
// out of a system call: SIGURG, each millisecond, because one may come just before the call begins.
// Thread-safe.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <polyio/base/clock.hpp>
#include <polyio/base/list.hpp>
#include <set>
#include <unordered_map>

namespace polyio {

class Baton;

// A thread inside a system call, on its stack.
struct BlockedTag;
struct BlockedCall : ListNode<BlockedTag> {
  explicit BlockedCall(pthread_t blocked) noexcept : thread(blocked) {}
  pthread_t thread;
  std::atomic<bool> interrupted{false};
  bool signalled = false;  // by the timekeeper, until release(); the baton guards it
};

class Timekeeper {
 public:
  // The process's own; its thread starts with the first call and lives as long as the process.
  static Timekeeper& instance();

  // Comes first for every baton. Throws std::bad_alloc; the later calls allocate nothing, because
  // their callers could not undo what they have done.
  void remember(Baton& baton);
  // Calls baton.serve() at `deadline` instead of what was set before; `never`: not at all.
  void set_deadline(Baton& baton, Deadline deadline);
  // Calls baton.serve() soon.
  void serve_soon(Baton& baton) { set_deadline(baton, TimePoint::min()); }
  // Nothing of the baton is touched after this returns.
  void forget(Baton& baton);
  // Signals the call's thread now and each millisecond until release().
  void interrupt(BlockedCall& call);
  void release(BlockedCall& call);

 private:
  using Deadlines = std::unordered_map<Baton*, Deadline>;
  Timekeeper();
  void run();
  void move(Deadlines::iterator place, Deadline deadline) noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable served_;
  std::set<std::pair<Deadline, Baton*>> queue_;  // all; those without a deadline last
  Deadlines deadlines_;
  Baton* serving_ = nullptr;
  List<BlockedCall, BlockedTag> calls_;
};

}  // namespace polyio
