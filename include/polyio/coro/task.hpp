// Task<T>: a coroutine that begins when it is awaited and ends in a T or an exception. The rule: a
// Task is awaited at most once, and it is destroyed only before it began or after it ended, never
// while an operation of its own is in flight. Awaiting and returning are symmetric transfers:
// chains of any depth use one stack frame. Not thread-safe: a task belongs to the Io it runs on.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <polyio/base/assert.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <type_traits>
#include <utility>

namespace polyio {

template <class T = void>
class [[nodiscard]] Task;

namespace detail {

// What a Task may await: another Task, and what says `using PolyioAwaitable = void;`, for whoever
// awaits it is resumed by its Io. Other libraries' awaitables resume it on threads of their own, or
// never.
template <class A>
inline constexpr bool awaited_by_tasks =
    requires { typename std::remove_cvref_t<A>::PolyioAwaitable; };

// What the promises of Task<T> and Task<void> share: the frame's memory and the continuation.
class TaskPromiseBase {
 public:
  static void* operator new(std::size_t size) { return frame_allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }

#ifdef __clang__  // g++ 12 would copy what this returns, and so checks nothing
  template <class A>
  A&& await_transform(A&& awaitable) noexcept {
    static_assert(awaited_by_tasks<A>,
                  "a Task awaits Tasks and operations of polyio only: after another library's "
                  "awaitable its Io would not know that it goes on (docs/handlers.md)");
    return static_cast<A&&>(awaitable);
  }
#endif

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().continuation_;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  void set_continuation(std::coroutine_handle<> next) noexcept { continuation_ = next; }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  TaskPromise() noexcept {}
  ~TaskPromise() {
    if (state_ == State::value) std::destroy_at(&value_);
    if (state_ == State::exception) std::destroy_at(&exception_);
  }
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    std::construct_at(&value_, std::forward<U>(value));
    state_ = State::value;
  }
  void unhandled_exception() noexcept {
    std::construct_at(&exception_, std::current_exception());
    state_ = State::exception;
  }
  T take() {
    if (state_ == State::exception) std::rethrow_exception(std::move(exception_));
    POLYIO_ASSERT(state_ == State::value);
    return std::move(value_);
  }

 private:
  enum class State : unsigned char { empty, value, exception };
  union {
    T value_;
    std::exception_ptr exception_;
  };
  State state_ = State::empty;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }
  void take() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
  }

 private:
  std::exception_ptr exception_;
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;
  using PolyioAwaitable = void;

  Task() = default;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    Task(std::move(other)).swap(*this);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }
  void swap(Task& other) noexcept { std::swap(handle_, other.handle_); }

  explicit operator bool() const noexcept { return handle_ != nullptr; }
  bool done() const noexcept { return handle_ && handle_.done(); }
  // The coroutine itself, for code that resumes a task which no other awaits (io's jobs).
  Handle handle() const noexcept { return handle_; }
  // The value of a task that is done; rethrows what it ended with. Once.
  T take() { return handle_.promise().take(); }

  struct Awaiter {
    using PolyioAwaitable = void;
    Handle task;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      task.promise().set_continuation(awaiting);
      return task;
    }
    T await_resume() { return task.promise().take(); }
  };
  Awaiter operator co_await() const noexcept {
    POLYIO_RULE(handle_ && !handle_.done(), "a Task is awaited once, and not when it is empty");
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

namespace detail {
// Whether g++ 12 destroys it once where it is a temporary of a co_await expression: twice, if it is
// a lambda or an aggregate with something to destroy. Such a one is given a name first.
template <class T>
inline constexpr bool safe_in_co_await =
#if defined(__clang__) || __GNUC__ > 12
    true;
#else
    std::is_lvalue_reference_v<T> || std::is_trivially_destructible_v<T>;
#endif

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
}  // namespace detail

}  // namespace polyio
