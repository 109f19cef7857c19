// TaskGroup: tasks that run side by side and end together. with_task_group runs a body that spawns
// into the group, waits for every task, and only then returns: no task outlives it. The first
// exception, from the body or a task, cancels the others and is rethrown at the end. Not
// thread-safe: one Io's.
#pragma once

#include <exception>
#include <memory>
#include <polyio/base/result.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/io.hpp>

namespace polyio {

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
  // Starts `task` beside the caller. Errors: Errc::concurrency_unavailable where the model and the
  // architecture have no second thread to lend; the task is then destroyed unrun. `serves`: the
  // descriptor of the connection it is for, in a watchdog's report [its spawner's]. The task of a
  // lambda refers to the lambda, which must live as long: better spawn the lambda itself.
  Result<> spawn(Task<> task, int serves = -1);
  // Starts the task that `function()` gives, and keeps the function until that task has ended:
  // `group.spawn([&io, name]() -> Task<> { ... })`. It is called at once.
  template <class Function>
    requires std::is_invocable_r_v<Task<>, Function&>
  Result<> spawn(Function function) {
    if constexpr (std::is_empty_v<Function> || std::is_pointer_v<Function>)
      return spawn(function());
    auto kept = std::make_unique<Function>(std::move(function));
    Task<> task = (*kept)();
    return spawn(run_beside(std::move(kept), std::move(task)));
  }
  // Cancels the body and every task of the group.
  void cancel() { scope_.cancel(); }
  bool cancelled() const noexcept { return scope_.cancelled(); }
  // Tasks that have not ended yet.
  std::size_t running() const noexcept { return running_; }

 private:
  template <class Body>
  friend Task<> with_task_group(Io& io, Body body);
  friend class Io;

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

// Runs `body(TaskGroup&) -> Task<>` and waits for it and all it spawned.
template <class Body>
Task<> with_task_group(Io& io, Body body) {
  TaskGroup group(io);
  try {
    co_await body(group);
  } catch (...) {
    group.record(std::current_exception());
  }
  co_await group.join();
  if (group.exception_) std::rethrow_exception(group.exception_);
}

}  // namespace polyio
