// ThreadPool: threads for work that would hold up a loop: long computations and calls that block.
// Works wait in one line, first come, first served, and a task waits for its work as for any other
// operation. The rule: a work in line can be taken out by its task's cancel or deadline; one that
// has begun is run to its end, and run() returns only then. Thread-safe, for tasks of any Io and
// model.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/waiter.hpp>
#include <polyio/os/thread_set.hpp>
#include <string>

namespace polyio {

struct ThreadPoolOptions {
  unsigned threads = 0;  // at most, each started when there is work for it; 0: one per core
  // Works in line; one more is refused with EAGAIN. A work in line lies in the frame of the task
  // that waits for it and costs nothing else, so the default is more than a process has sockets.
  std::size_t queue = 65'536;
  std::size_t stack_bytes = os::Thread::default_stack;
  std::string name = "offload";  // of the threads, at most 15 bytes
  int nice = 0;                  // added to theirs: 1 to 19 lets the loops have the processor first
};

class ThreadPool {
 public:
  explicit ThreadPool(ThreadPoolOptions options = {});
  // Waits until what has begun has ended. No task may wait for a work of this pool any more.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  // The pool that offload() uses unless it is given one: one thread per core, made by the first
  // call; its threads end with the process.
  static ThreadPool& shared();
  // A pool that is never destroyed, so that a call which blocks for long does not hold up the end
  // of the process.
  static ThreadPool& immortal(ThreadPoolOptions options);

  struct WorkTag;
  class Request;
  class SharedRequest;
  // What a thread is to run, and where it stands. Lives where its task waits, or is shared.
  class Work : public ListNode<WorkTag> {
   public:
    virtual ~Work() = default;

   protected:
    virtual void run() noexcept = 0;

   private:
    friend class ThreadPool;
    enum class State : unsigned char { idle, queued, begun, done };
    // Guarded by the pool's mutex.
    State state_ = State::idle;
    Request* waiter_ = nullptr;
    std::shared_ptr<Work> self_;  // the pool's share of a work that may be abandoned
  };

  // `auto ran = co_await pool.run(io, work);` - runs work.run() on a thread of the pool and returns
  // a Result<> when it has ended. Errors, all of which say that it never began: EAGAIN, the line is
  // full or no thread can be had; operation_canceled and timed_out of the scope.
  auto run(Io& io, Work& work) noexcept;
  // The same, but a cancel or deadline ends the wait also when the work has begun, which then goes
  // on by itself: it touches nothing of the caller's.
  auto run_shared(Io& io, std::shared_ptr<Work> work) noexcept;

  unsigned threads() const;      // started so far
  std::size_t waiting() const;   // works in line
  std::size_t capacity() const;  // threads at most

 private:
  void serve();
  // Under the mutex, all three.
  Result<> queue(Work& work, Request& waiter, std::shared_ptr<Work> self);
  bool take_out(Work& work) noexcept;
  Result<> add_thread();

  ThreadPoolOptions options_;
  mutable std::mutex mutex_;  // for what follows
  std::condition_variable changed_;
  List<Work, WorkTag> line_;
  std::size_t waiting_ = 0;
  unsigned idle_ = 0;  // threads that will look into the line when they wake up
  bool ending_ = false;
  bool immortal_ = false;
  os::ThreadSet threads_;
};

// A task's wait for its work: once it has begun, until its end.
class ThreadPool::Request : public detail::Waiter {
 public:
  Request(ThreadPool& pool, Work& work) noexcept : Waiter(pool.mutex_), pool_(pool), work_(work) {}
  Result<> value() noexcept { return {}; }

 protected:
  bool take() override { return false; }
  void queue() noexcept override;
  bool withdraw() noexcept override { return pool_.take_out(work_); }

  ThreadPool& pool_;
  Work& work_;
};

// The same for a work that goes on when its task has left.
class ThreadPool::SharedRequest : public Request {
 public:
  SharedRequest(ThreadPool& pool, std::shared_ptr<Work> work) noexcept
      : Request(pool, *work), share_(std::move(work)) {}

 protected:
  void queue() noexcept override;
  bool withdraw() noexcept override;

 private:
  const std::shared_ptr<Work> share_;
};

inline auto ThreadPool::run(Io& io, Work& work) noexcept {
  return detail::WaitAwaiter<Request>(io, *this, work);
}
inline auto ThreadPool::run_shared(Io& io, std::shared_ptr<Work> work) noexcept {
  return detail::WaitAwaiter<SharedRequest>(io, *this, std::move(work));
}

}  // namespace polyio
