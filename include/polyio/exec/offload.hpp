// offload: runs a function on a pool of threads while the task waits and its Io goes on: for heavy
// work, and for calls that block. The function may use the caller's variables, by reference too:
// once it has begun, offload returns only when it has ended, cancelled or not. It runs beside the
// Io's other tasks, so what those use as well needs a lock.
#pragma once

#include <exception>
#include <optional>
#include <polyio/exec/thread_pool.hpp>
#include <type_traits>

namespace polyio {

namespace detail {

template <class T>
struct OffloadResult {
  using type = Result<T>;
};
template <class T>
struct OffloadResult<Result<T>> {
  using type = Result<T>;
};

template <class Function>
class OffloadWork final : public ThreadPool::Work {
 public:
  using Value = std::remove_cvref_t<std::invoke_result_t<Function&>>;
  using Answer = typename OffloadResult<Value>::type;

  explicit OffloadWork(Function& function) noexcept : function_(function) {}
  Answer take() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
    return std::move(*answer_);
  }

 private:
  void run() noexcept override {
    try {
      if constexpr (std::is_void_v<Value>) {
        function_();
        answer_.emplace();
      } else {
        answer_.emplace(function_());
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  Function& function_;
  std::optional<Answer> answer_;
  std::exception_ptr exception_;
};

template <class Function>
Task<typename OffloadWork<Function>::Answer> run_offloaded(Io& io, ThreadPool& pool,
                                                           Function function) {
  OffloadWork<Function> work(function);
  auto ran = co_await pool.run(io, work);
  if (!ran) co_return fail(ran.error());
  co_return work.take();
}

}  // namespace detail

// `auto sum = co_await offload(io, pool, function);` - Result<T> for a function that gives T, and
// Result<T> too for one that gives Result<T>; rethrows what the function threw. Errors, all of
// which say that it never began: operation_canceled and timed_out of the scope; EAGAIN, when the
// pool's line is full or no thread can be had. Calls wait in line, first come, first served; one
// that still waits is taken out by a cancel or a deadline. A result that is there is given also to
// a cancelled task.
template <class Function>
auto offload(Io& io, ThreadPool& pool, Function&& function) {
  static_assert(detail::safe_in_co_await<Function>,
                "g++ 12 destroys this temporary twice: name it first, auto work = ...;");
  return detail::run_offloaded<std::decay_t<Function>>(io, pool, std::forward<Function>(function));
}

// On ThreadPool::shared().
template <class Function>
auto offload(Io& io, Function&& function) {
  return offload(io, ThreadPool::shared(), std::forward<Function>(function));
}

}  // namespace polyio
