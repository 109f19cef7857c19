// ProcessPoolExecutor: processes for work that computes, or that may crash: the contract of
// ThreadPoolExecutor, and what only processes give. A worker that dies, by whatever signal, fails
// the one task it ran, and is replaced; a task that takes too long, or is not wanted any more, is
// ended in the middle. Tasks wait in one line, first come, first served. Each result counts once.
//
// What runs where. A task runs on the one thread of a worker process, which has the parent's
// values, never its variables; what it prints is flushed at its end. Workers are forked by a
// zygote, a process without other threads, so the parent may have any number. One thread of the
// parent, the pool's own, takes results in, ends futures (so callbacks run on it, and hold up the
// others' results while they run) and replaces workers. A task goes to a worker by the thread that
// submits it, or by the pool's when one gets free. The parent's death, by kill -9 too, ends the
// workers and the zygote.
//
// Cost. A task is serialised into its worker's ipc::ByteQueue and its result into that worker's
// other one, in shared memory: no system call while both sides are awake; when they sleep a
// futex(2) call wakes the worker, a write(2) the pool's thread, a futex(2) the thread that waits.
// Where tasks take less than a millisecond, up to 63 are handed to a worker ahead; one that is
// stuck gives them back within 20 ms. Memory: 8 * `largest` a worker at most, once it was used.
// Idle, the pool's thread sleeps for good, and a worker looks 20 times a second (ipc::Queue's
// rule).
//
// Thread-safe. The pool is destroyed last, after its works: it waits for them.
#pragma once

#include <memory>
#include <polyio/exec/future_of.hpp>
#include <polyio/exec/remote_call.hpp>
#include <polyio/process/process.hpp>

namespace polyio {

struct ProcessPoolOptions {
  unsigned workers = 0;              // all started at once, 128 at most; 0: one per core
  std::size_t queue = 65'536;        // tasks in line. One more waits (submit) or is refused
  std::size_t largest = 256 * 1024;  // bytes of one task's arguments, and of its result
  // How the zygote is started. fork: with a copy of this process's memory, as it is now; needs a
  // process without other threads. spawn: this program anew; needs process::begin() in main().
  process::Method method = process::Method::fork;
};

namespace detail {
class ProcessPool;
}

class ProcessPoolExecutor {
 public:
  // Returns when the workers are there. Throws std::system_error: process::Errc::threads_running,
  // needs_begin, as Process::start(); no process, memory or descriptor can be had; EINVAL.
  explicit ProcessPoolExecutor(ProcessPoolOptions options = {});
  // shutdown(): waits until all that was submitted is done.
  ~ProcessPoolExecutor();
  ProcessPoolExecutor(const ProcessPoolExecutor&) = delete;
  ProcessPoolExecutor& operator=(const ProcessPoolExecutor&) = delete;

  // `Future<int> sum = pool.submit(add, 1, 2);` - calls add(1, 2) in a worker. The function is a
  // function or a lambda without captures, the arguments (kept as its parameters' types) and the
  // result are what room serial can send; the rest does not compile. What it throws is thrown by
  // result() as a RemoteException with the same words. Errors of the future: process::Errc::
  // worker_died, the worker died of it, or was killed meanwhile; timed_out, it was ended for its
  // timeout; operation_canceled; EMSGSIZE, larger than `largest`; process::Errc::
  // target_not_sendable, a plug-in's function; the function's own Result. Blocks the calling
  // thread while the line is full. Where it may not block (on the pool's thread, or that of a loop
  // that has other tasks) the future has ended with EAGAIN; after shutdown() with EPIPE; in another
  // process than the pool's with process::Errc::not_our_child. Throws std::bad_alloc, and what
  // serialising throws.
  template <class Function, class... Arguments>
    requires(!std::same_as<std::decay_t<Function>, TaskOptions>)
  FutureOf<Function, Arguments...> submit(Function&& function, Arguments&&... arguments) {
    return submit(TaskOptions(), std::forward<Function>(function),
                  std::forward<Arguments>(arguments)...);
  }
  // `pool.submit({.timeout = 5s, .retries = 2}, function, arguments...)`
  template <class Function, class... Arguments>
  FutureOf<Function, Arguments...> submit(const TaskOptions& how, Function&& function,
                                          Arguments&&... arguments) {
    const auto call = make<Function, Arguments...>(how, function, arguments...);
    if (auto queued = queue(*call, true); !queued) {
      call->settle(detail::FutureState::Phase::pending, queued.error());
    }
    return future_of(call);
  }
  // The same without waiting: a Result<Future<T>>. Errors: EAGAIN, the line is full; EPIPE, after
  // shutdown(); EMSGSIZE, target_not_sendable, not_our_child as above; ENOMEM.
  template <class Function, class... Arguments>
    requires(!std::same_as<std::decay_t<Function>, TaskOptions>)
  Result<FutureOf<Function, Arguments...>> try_submit(Function&& function,
                                                      Arguments&&... arguments) {
    return try_submit(TaskOptions(), std::forward<Function>(function),
                      std::forward<Arguments>(arguments)...);
  }
  template <class Function, class... Arguments>
  Result<FutureOf<Function, Arguments...>> try_submit(const TaskOptions& how, Function&& function,
                                                      Arguments&&... arguments) try {
    const auto call = make<Function, Arguments...>(how, function, arguments...);
    if (auto queued = queue(*call, false); !queued) return fail(queued.error());
    return future_of(call);
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

  // Ends the work of this pool, wherever it is: in line, as Future::cancel(); at a worker, by
  // killing that, and another takes its place at once. It ends with operation_canceled, or as it
  // would have if it was quicker. False: it has ended, or is not this pool's.
  template <class T>
  bool kill(const Future<T>& future) {
    return kill_call(future.state());
  }

  using Shutdown = PoolShutdown;
  // No more tasks from now on; what is in line is done, unless it is cancelled. A task that never
  // ends is waited for: kill() it. More than one call is allowed; not in a callback.
  void shutdown(Shutdown how);
  void shutdown() { shutdown(Shutdown{}); }

  std::vector<pid_t> pids() const;  // of the workers that run now
  std::size_t waiting() const;      // tasks in line; takes a step for each of them
  std::size_t capacity() const;     // workers
  std::uint64_t replaced() const;   // workers that had to be, so far

 private:
  template <class Function, class... Arguments>
  static auto make(const TaskOptions& how, const auto& function, const auto&... arguments) {
    using Value = FutureOf<Function, Arguments...>::Value;
    using Task = detail::RemoteTask<std::decay_t<Function>, std::remove_cvref_t<Arguments>...>;
    detail::Share<detail::RemoteCallOf<Value>> call(new detail::RemoteCallOf<Value>(how));
    call->write(Task(), function, arguments...);
    return call;
  }
  template <class T>
  static Future<T> future_of(const detail::Share<detail::RemoteCallOf<T>>& call) noexcept {
    call->share();
    return Future<T>(detail::Share<detail::FutureStateOf<T>>(call.get()));
  }
  Result<> queue(detail::RemoteCall& call, bool may_wait);
  bool kill_call(detail::FutureState& state);

  std::unique_ptr<detail::ProcessPool> pool_;
};

}  // namespace polyio
