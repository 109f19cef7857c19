// TaskGroup: tasks that run side by side and end together. with_task_group runs a body that spawns
// into the group, waits for every task, and only then returns: no task outlives it. The first
// exception, from the body or a task, cancels the others and is rethrown at the end. Not
// thread-safe: one Io's.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <polyio/base/result.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/io.hpp>

namespace polyio {

namespace detail {
// Whether a task of it refers to nothing of it: it captures nothing, or its owner keeps it.
template <class Function>
inline constexpr bool is_kept =
    std::is_empty_v<Function> || std::is_pointer_v<Function> || std::is_member_pointer_v<Function>;
template <class Referred>
inline constexpr bool is_kept<std::reference_wrapper<Referred>> = true;

// Whether a temporary is passed where the function takes a reference.
template <class Function, class... Arguments>
inline constexpr bool dangles = false;
template <class... Parameters, class... Arguments>
inline constexpr bool dangles<Task<> (*)(Parameters...), Arguments...> =
    ((std::is_reference_v<Parameters> && !std::is_reference_v<Arguments>) || ...);

template <class Body>
Task<> run_task_group(Io& io, Body body);
}  // namespace detail

class TaskGroup {
 public:
  // Told of each task's end instead of the group: with what it threw, or nullptr. The group goes
  // on.
  class Supervisor {
   public:
    virtual void task_ended(const std::exception_ptr& exception) noexcept = 0;

   protected:
    ~Supervisor() = default;
  };
  // For the tasks that end from now on. `supervisor` outlives the group.
  void supervise(Supervisor& supervisor) noexcept { supervisor_ = &supervisor; }
  // Calls `function(arguments...)` at once and runs the task that it gives beside the caller, as
  // `group.spawn(pump, stream)` or `group.spawn([&io, name]() -> Task<> { ... })`. The
  // function is kept until that task has ended, because the task of a lambda refers to the lambda;
  // one given by std::ref is not. The arguments are passed on as they are: what the task takes by
  // reference must outlive it. Errors: Errc::concurrency_unavailable where the model and the
  // architecture have no second thread to lend; the task is then destroyed unrun.
  template <class Function, class... Arguments>
    requires std::is_invocable_r_v<Task<>, Function&, Arguments...>
  Result<> spawn(Function function, Arguments&&... arguments) {
    return spawn_serving(-1, std::move(function), std::forward<Arguments>(arguments)...);
  }
  template <class T>
  Result<> spawn(const Task<T>&) {
    static_assert(!std::is_same_v<T, T>,
                  "spawn takes the function and its arguments, spawn(f, x), not the task f(x): "
                  "it keeps the function as long as the task runs");
    return {};
  }
  // As spawn(), for the connection whose descriptor is `serves`, in a watchdog's report.
  template <class Function, class... Arguments>
    requires std::is_invocable_r_v<Task<>, Function&, Arguments...>
  Result<> spawn_serving(int serves, Function function, Arguments&&... arguments) {
    static_assert(!detail::dangles<Function, Arguments...>,
                  "spawn(): the function takes by reference what ends with this statement");
    if constexpr (detail::is_kept<Function>) {
      return start(std::invoke(function, std::forward<Arguments>(arguments)...), serves);
    } else {
      auto kept = std::make_unique<Function>(std::move(function));
      Task<> task = std::invoke(*kept, std::forward<Arguments>(arguments)...);
      return start(run_beside(std::move(kept), std::move(task)), serves);
    }
  }
  // Cancels the body and every task of the group.
  void cancel() { scope_.cancel(); }
  bool cancelled() const noexcept { return scope_.cancelled(); }
  // Tasks that have not ended yet.
  std::size_t running() const noexcept { return running_; }

 private:
  template <class Body>
  friend Task<> detail::run_task_group(Io& io, Body body);
  friend class Io;

  Result<> start(Task<> task, int serves);

  // The task goes before the function that it refers to: parameters are destroyed in reverse.
  template <class Function>
  static Task<> run_beside([[maybe_unused]] std::unique_ptr<Function> kept, Task<> task) {
    co_await task;
  }

  explicit TaskGroup(Io& io) : io_(io), scope_(io) {}
  ~TaskGroup() { POLYIO_ASSERT(running_ == 0); }

  void child_ended(const std::exception_ptr& exception) noexcept;
  void record(const std::exception_ptr& exception) noexcept;

  // Waits for all tasks; a cancel does not cut it short, it reaches the tasks themselves.
  struct JoinAwaiter {
    using PolyioAwaitable = void;
    TaskGroup& group;
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> caller) const noexcept;
    void await_resume() const noexcept;
  };
  JoinAwaiter join() noexcept { return {*this}; }

  Io& io_;
  CancelScope scope_;
  std::size_t running_ = 0;
  Job* joiner_ = nullptr;
  Supervisor* supervisor_ = nullptr;
  std::exception_ptr exception_;
};

namespace detail {
template <class Body>
Task<> run_task_group(Io& io, Body body) {
  TaskGroup group(io);
  try {
    co_await body(group);
  } catch (...) {
    group.record(std::current_exception());
  }
  co_await group.join();
  if (group.exception_) std::rethrow_exception(group.exception_);
}
}  // namespace detail

// Runs `body(TaskGroup&) -> Task<>` and waits for it and all it spawned. With g++ 12 a body that
// captures more than references and numbers must have a name: it would be destroyed twice.
template <class Body>
Task<> with_task_group(Io& io, Body&& body) {
  static_assert(detail::safe_in_co_await<Body>,
                "g++ 12 destroys this temporary twice: name it first, auto body = ...;");
  return detail::run_task_group<std::decay_t<Body>>(io, std::forward<Body>(body));
}

}  // namespace polyio
