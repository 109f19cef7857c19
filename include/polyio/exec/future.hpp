// Future<T>: the outcome of work that is done elsewhere: by a pool (thread_pool.hpp), or by the
// owner of a Promise<T>. It ends once: with a value, an error, an exception, or cancelled. A plain
// thread blocks on it, a task of any Io awaits it, a callback is called when it ends; each any
// number of times. A Future is a handle: copies stand for the same work. When the last one is gone
// the work goes on, and its outcome is dropped.
//
// Thread-safe; a single handle is not, as a shared_ptr is not: give each thread its own copy.
#pragma once

#include <memory>
#include <polyio/coro/generator.hpp>
#include <polyio/exec/future_state.hpp>
#include <polyio/sync/queue.hpp>
#include <ranges>
#include <vector>

namespace polyio {

template <class T>
class Promise;

namespace detail {
// `co_await future.result(io)`
template <class T, bool moved>
class FutureResult : public FutureState::Wait {
 public:
  explicit FutureResult(FutureStateOf<T>& state) noexcept : Wait(state) {}
  Result<T> value() {
    auto& state = static_cast<FutureStateOf<T>&>(this->state());
    if constexpr (moved) {
      return state.take();
    } else {
      return state.copy();
    }
  }
};
}  // namespace detail

template <class T = void>
class Future {
  static_assert(!std::is_reference_v<T>, "a Future holds a value: give it a pointer");

 public:
  using Value = T;
  // No work: only to be assigned to.
  Future() = default;
  explicit operator bool() const noexcept { return static_cast<bool>(state_); }

  bool done() const noexcept { return state().ended(); }
  bool running() const noexcept { return state().running(); }
  bool cancelled() const noexcept {
    return done() && state().error() == errno_code(ECANCELED) && !state().exception();
  }
  // Done, and there is no value: an error, an exception, or cancelled.
  bool failed() const noexcept { return done() && state().failed(); }
  // Work that has not begun never will: its result is ECANCELED. False: it has begun, or is done.
  bool cancel() const noexcept { return state().cancel() || cancelled(); }

  // Blocks the calling thread until it is done. A copy of the value, or of an rvalue (`std::move(f)
  // .result()`) the value itself, which is gone then for every handle. Rethrows what the work
  // threw. Errors: timed_out, the work goes on; operation_canceled; EOWNERDEAD, its promise was
  // destroyed; what the work's own Result says; those of the pool; EDEADLK, on the thread of a
  // loop that has other tasks, without a deadline. On a worker thread of the pool in whose line it
  // stands, the work is done at once, by this thread.
  Result<T> result(Deadline until = never) const& {
    static_assert(copyable, "T can't be copied: std::move(future).result()");
    if (auto ended = state().wait(until); !ended) return fail(ended.error());
    return state().copy();
  }
  Result<T> result(Deadline until = never) && {
    if (auto ended = state().wait(until); !ended) return fail(ended.error());
    return state().take();
  }
  // `auto value = co_await future.result(io);` for tasks, which meanwhile leave the thread to the
  // others. Errors: as above, and those of the scope, after which the work goes on.
  auto result(Io& io) const& {
    static_assert(copyable, "T can't be copied: std::move(future).result(io)");
    return detail::WaitAwaiter<detail::FutureResult<T, false>>(io, state());
  }
  auto result(Io& io) && { return detail::WaitAwaiter<detail::FutureResult<T, true>>(io, state()); }
  // For the library's own waits.
  template <template <class> class Request>
  auto awaited(Io& io) const {
    return detail::WaitAwaiter<Request<T>>(io, state());
  }
  // What the work threw, or null. Blocks as result() does. Errors: timed_out, operation_canceled,
  // EDEADLK.
  Result<std::exception_ptr> exception(Deadline until = never) const {
    if (auto ended = state().wait(until); !ended) return fail(ended.error());
    if (cancelled()) return fail(ECANCELED);
    return state().exception();
  }

  // Calls `function(future)` once, when it is done: by the thread that ends it (a pool's worker,
  // the promise's, the one that cancels), or at once by this thread if it is done already. What it
  // throws is written to standard error. Throws std::bad_alloc.
  template <std::invocable<const Future&> Function>
  void on_done(Function function) const {
    struct Callback final : detail::FutureState::Callback {
      explicit Callback(Function&& called) : function(std::move(called)) {}
      void call(detail::FutureState& state) override {
        state.share();
        const Future future(detail::Share<State>(static_cast<State*>(&state)));
        function(future);
      }
      Function function;
    };
    state().on_done(std::make_unique<Callback>(std::move(function)));
  }

 private:
  template <class>
  friend class Promise;
  friend class ThreadPoolExecutor;
  friend class ProcessPoolExecutor;
  using State = detail::FutureStateOf<T>;
  static constexpr bool copyable = std::is_void_v<T> || std::copy_constructible<T>;
  explicit Future(detail::Share<State> state) noexcept : state_(std::move(state)) {}
  State& state() const noexcept {
    POLYIO_RULE(state_, "a Future that was made by its default constructor stands for no work");
    return *state_;
  }

  detail::Share<State> state_;
};

// The maker's end of a Future. One that is destroyed before it has set anything leaves EOWNERDEAD.
// Thread-safe: the first that sets wins, and the others get false.
template <class T = void>
class Promise {
 public:
  Promise() : state_(new State) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Promise() {
    if (state_) (void)set_error(errno_code(EOWNERDEAD));
  }

  Future<T> future() const { return Future<T>(state_); }
  // The work begins, and can't be cancelled any more. False: it has been cancelled.
  bool begin() noexcept { return state_->begin(); }
  // False: it had ended before, by a cancel or another set.
  template <class... Arguments>
  bool set_value(Arguments&&... value) {
    return set([&] { state_->set(std::in_place, std::forward<Arguments>(value)...); });
  }
  bool set_error(std::error_code error) {
    return set([&] { state_->set_error(error); });
  }
  bool set_exception(std::exception_ptr exception) {
    return set([&] { state_->set_exception(std::move(exception)); });
  }

 private:
  using State = detail::FutureStateOf<T>;
  template <class Set>
  bool set(Set&& set) {
    if (!state_->claim()) return false;
    try {
      set();
    } catch (...) {  // the value's own copy or move
      state_->set_exception(std::current_exception());
    }
    state_->end();
    return true;
  }

  detail::Share<State> state_;
};

// The futures of a list as they end, each once.
template <class T>
class Completions {
 public:
  // Throws std::bad_alloc.
  explicit Completions(const std::vector<Future<T>>& futures)
      : ended_(std::make_shared<Queue<Future<T>>>(futures.size() + 1)), left_(futures.size()) {
    ended_->reserve();  // a callback that finds no memory would lose its future
    for (const Future<T>& future : futures) {
      future.on_done(
          [ended = ended_](const Future<T>& done) { (void)ended->try_put(Future(done)); });
    }
  }
  // The next one that is done. Errors: end_of_file, that was all; timed_out; EDEADLK, as
  // Future::result.
  Result<Future<T>> next(Deadline until = never) {
    if (left_ == 0) return fail(Errc::end_of_file);
    return counted(ended_->get(until));
  }
  // For tasks. Errors: end_of_file; those of the scope.
  Task<Result<Future<T>>> next(Io& io) {
    if (left_ == 0) co_return fail(Errc::end_of_file);
    auto future = co_await ended_->get(io);
    co_return counted(std::move(future));
  }
  std::size_t left() const noexcept { return left_; }

 private:
  Result<Future<T>> counted(Result<Future<T>> future) noexcept {
    if (future) --left_;
    return future;
  }
  const std::shared_ptr<Queue<Future<T>>> ended_;
  std::size_t left_;
};

// `for (const auto& future : as_completed(futures))`: in the order in which they end; stops early
// when `until` has passed. Blocks the calling thread; tasks use Completions.
template <class T>
Generator<Future<T>> as_completed(std::vector<Future<T>> futures, Deadline until = never) {
  Completions<T> completions(futures);
  while (auto future = completions.next(until)) co_yield *future;
}

enum class Until { all_done, first_done, first_failed };  // failed: an error, exception or cancel

// Blocks until so much is done, or `until` has passed. The futures of `futures` that are done then,
// in the order in which they ended.
template <class T>
std::vector<Future<T>> wait(const std::vector<Future<T>>& futures, Deadline until = never,
                            Until what = Until::all_done) {
  std::vector<Future<T>> done;
  Completions<T> completions(futures);
  bool enough = false;
  // What is done already is taken without a look at the clock.
  while (auto future = completions.next(enough ? TimePoint::min() : until)) {
    done.push_back(*future);
    enough =
        enough || what == Until::first_done || (what == Until::first_failed && future->failed());
  }
  return done;
}

}  // namespace polyio
