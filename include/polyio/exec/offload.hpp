// offload: runs a function on a pool of threads while the task waits and its Io goes on: for heavy
// work, and for calls that block. The function may use the caller's variables, by reference too:
// once it has begun, offload returns only when it has ended, cancelled or not. It runs beside the
// Io's other tasks, so what those use as well needs a lock.
#pragma once

#include <polyio/exec/thread_pool.hpp>
#include <type_traits>

namespace polyio {

namespace detail {

// A wait that a cancel or a deadline ends only while the work stands in line, which it then leaves.
template <class T>
class OffloadResult : public FutureResult<T, true> {
 public:
  using FutureResult<T, true>::FutureResult;

 protected:
  bool withdraw() noexcept override {
    if (!this->state().cancel_alone()) return false;
    this->unlink();
    return true;
  }
};

template <class Function>
Task<Result<typename FutureOf<Function>::Value>> run_offloaded(Io& io, ThreadPoolExecutor& pool,
                                                               Function function) {
  if (auto live = io.check_cancelled(); !live) co_return fail(live.error());
  auto future = pool.try_submit([&function]() -> decltype(auto) { return function(); });
  if (!future) co_return fail(future.error());
  co_return co_await future->template awaited<OffloadResult>(io);
}

}  // namespace detail

// `auto sum = co_await offload(io, pool, function);` - Result<T> for a function that gives T, and
// Result<T> too for one that gives Result<T>; rethrows what the function threw. Errors, all of
// which say that it never began: operation_canceled and timed_out of the scope; EAGAIN, when the
// pool's line is full or no thread can be had; EPIPE, after its shutdown(); ENOMEM. Calls wait in
// line, first come, first served; one that still waits is taken out by a cancel or a deadline. A
// result that is there is given also to a cancelled task.
template <class Function>
auto offload(Io& io, ThreadPoolExecutor& pool, Function&& function) {
  static_assert(detail::safe_in_co_await<Function>,
                "g++ 12 destroys this temporary twice: name it first, auto work = ...;");
  return detail::run_offloaded<std::decay_t<Function>>(io, pool, std::forward<Function>(function));
}

// On ThreadPoolExecutor::shared().
template <class Function>
auto offload(Io& io, Function&& function) {
  return offload(io, ThreadPoolExecutor::shared(), std::forward<Function>(function));
}

}  // namespace polyio
