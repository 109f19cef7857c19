// ThreadPoolExecutor: threads for work that would hold up a loop or a program: long computations
// and calls that block. submit() gives a Future at once; works wait in one line, first come, first
// served, and each is run by one of the threads, to its end. With policy mlfq a long work gives the
// processor to the short ones that come after it, and its place, too. A work that still waits in
// line can be cancelled; one that has begun can't.
//
// Thread-safe. A thread is started when there is work for it, up to the number that was asked for,
// and stays; idle ones look for more work for a few microseconds, then sleep and cost no processor
// time. Costs: a submit is one allocation (of the frame pool) and a few atomic steps, a run one
// lock; a system call only to wake a thread that sleeps.
#pragma once

#include <cstddef>
#include <mutex>
#include <polyio/base/result.hpp>
#include <polyio/exec/crew.hpp>
#include <polyio/exec/future_of.hpp>
#include <polyio/os/thread_set.hpp>
#include <polyio/sched/kind.hpp>
#include <string>
#include <tuple>

namespace polyio {

struct ThreadPoolOptions {
  unsigned threads = 0;  // at most, each started when there is work for it; 0: one per core
  // Works in line. One more waits (submit) or is refused (try_submit, offload). A work in line
  // takes 100 bytes or so, and what its function holds.
  std::size_t queue = 65'536;
  std::size_t stack_bytes = os::Thread::default_stack;
  std::string name = "offload";  // of the threads, at most 15 bytes
  int nice = 0;                  // added to theirs: 1 to 19 lets the loops have the processor first
  // fcfs; or mlfq (docs/scheduling.md): a work that has computed for the quantum goes on in the
  // background, and another thread takes over the line. The rest is refused: std::invalid_argument.
  sched::Kind policy = sched::Kind::fcfs;
  Nanoseconds quantum = std::chrono::microseconds(500);  // mlfq: of processor time
  // mlfq: threads in the background at most. At that limit works have no quantum.
  unsigned extra_threads = 64;
};

namespace detail {
template <class T, class Function, class... Arguments>
class PoolWork final : public FutureStateOf<T> {
 public:
  template <class... Given>
  explicit PoolWork(Given&&... given) : call_(std::in_place, std::forward<Given>(given)...) {}
  void run() noexcept override {
    this->end_with([this]() -> ReturnOf<Function, Arguments...> {
      // The function is gone before the end is announced: what it holds may be its caller's.
      const Gone gone{call_};
      return std::apply(
          [](Function& function, Arguments&... arguments) -> ReturnOf<Function, Arguments...> {
            return std::invoke(std::move(function), std::move(arguments)...);
          },
          *call_);
    });
  }

 private:
  using Call = std::optional<std::tuple<Function, Arguments...>>;
  struct Gone {
    Call& call;
    ~Gone() { call.reset(); }
  };
  Call call_;
};
}  // namespace detail

class ThreadPoolExecutor {
 public:
  // Throws std::invalid_argument for options that make no sense.
  explicit ThreadPoolExecutor(ThreadPoolOptions options = {});
  // shutdown(): waits until all that was submitted is done.
  ~ThreadPoolExecutor();
  ThreadPoolExecutor(const ThreadPoolExecutor&) = delete;
  ThreadPoolExecutor& operator=(const ThreadPoolExecutor&) = delete;
  // The pool that offload() uses unless it is given one: one thread per core, made by the first
  // call; its threads end with the process.
  static ThreadPoolExecutor& shared();
  // A pool that is never destroyed, so that a call which blocks for long does not hold up the end
  // of the process.
  static ThreadPoolExecutor& immortal(ThreadPoolOptions options);

  // `Future<int> sum = pool.submit(add, 1, 2);` - calls add(1, 2) on a thread of the pool, with
  // copies of what is given (std::ref for what is not to be copied). A function that gives
  // Result<T> makes a Future<T>. Blocks the calling thread while the line is full. Where it may not
  // block (on a thread of this pool, or of a loop that has other tasks) the future has ended with
  // EAGAIN, and so when no thread can be had; after shutdown() with EPIPE. Throws std::bad_alloc.
  template <class Function, class... Arguments>
  FutureOf<Function, Arguments...> submit(Function&& function, Arguments&&... arguments) {
    auto future = make(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
    if (auto queued = queue(future.state(), true); !queued) {
      future.state().settle(detail::FutureState::Phase::pending, queued.error());
    }
    return future;
  }
  // The same without waiting: a Result<Future<T>>. Errors: EAGAIN, the line is full or no thread
  // can be had; EPIPE, after shutdown(); ENOMEM.
  template <class Function, class... Arguments>
  Result<FutureOf<Function, Arguments...>> try_submit(Function&& function,
                                                      Arguments&&... arguments) try {
    auto future = make(std::forward<Function>(function), std::forward<Arguments>(arguments)...);
    if (auto queued = queue(future.state(), false); !queued) return fail(queued.error());
    return future;
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }

  // `for (const Result<int>& square : pool.map(square_of, numbers))` - submits function(value) for
  // each value now, and gives the results in the order of the values; those that are late at
  // `until` are timed_out. Rethrows what a call threw when its turn comes. Blocks the calling
  // thread.
  template <class Function, std::ranges::input_range Values>
  auto map(const Function& function, Values&& values, Deadline until = never) {
    return detail::map_on(*this, function, std::forward<Values>(values), until);
  }

  using Shutdown = PoolShutdown;
  // No more works from now on; what is in line is done, unless it is cancelled. More than one call
  // is allowed; not by a thread of this pool.
  void shutdown(Shutdown how);
  void shutdown() { shutdown(Shutdown{}); }

  unsigned threads() const;      // that there are, in the background too
  std::size_t waiting() const;   // works in line; takes a step for each of them
  std::size_t capacity() const;  // threads at most, without those in the background

 private:
  class Watch;

  template <class Function, class... Arguments>
  static FutureOf<Function, Arguments...> make(Function&& function, Arguments&&... arguments) {
    using Made = FutureOf<Function, Arguments...>;
    using Work =
        detail::PoolWork<typename Made::Value, std::decay_t<Function>, std::decay_t<Arguments>...>;
    using State = detail::FutureStateOf<typename Made::Value>;
    return Made(detail::Share<State>(
        new Work(std::forward<Function>(function), std::forward<Arguments>(arguments)...)));
  }
  Result<> queue(detail::FutureState& work, bool may_wait);
  void serve();
  // Under the mutex.
  Result<> want_thread();
  Result<> add_thread();
  unsigned there_are() const noexcept;

  ThreadPoolOptions options_;
  mutable std::mutex mutex_;                            // for what follows
  mutable detail::WorkLine<detail::FutureState> line_;  // closed: the pool is ending
  detail::Crew<detail::FutureState> crew_;
  bool immortal_ = false;
  const std::unique_ptr<Watch> watch_;  // with mlfq
  std::mutex joining_;                  // the threads, by one caller of shutdown() at a time
  os::ThreadSet threads_;
};

}  // namespace polyio
