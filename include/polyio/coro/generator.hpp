// Generator<T>: a coroutine that yields values one at a time to a range-for loop. It runs only
// while the loop asks for the next value. Move-only, not thread-safe. (C++23's std::generator is
// not in libstdc++ 12.)
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <polyio/coro/frame_pool.hpp>
#include <utility>

namespace polyio {

template <class T>
class [[nodiscard]] Generator {
 public:
  struct promise_type {
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }
    Generator get_return_object() noexcept {
      return Generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(const T& value) noexcept {
      current = std::addressof(value);
      return {};
    }
    void return_void() noexcept {}
    void unhandled_exception() { throw; }
    void await_transform() = delete;  // a generator may only yield
    const T* current = nullptr;
  };

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    Iterator& operator++() {
      handle_.resume();
      return *this;
    }
    void operator++(int) { ++*this; }
    const T& operator*() const noexcept { return *handle_.promise().current; }
    bool operator==(std::default_sentinel_t) const noexcept { return handle_.done(); }

   private:
    std::coroutine_handle<promise_type> handle_;
  };

  Generator(Generator&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Generator() {
    if (handle_) handle_.destroy();
  }

  // Runs to the first yield; rethrows what the coroutine throws. Once.
  Iterator begin() {
    handle_.resume();
    return Iterator(handle_);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  explicit Generator(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace polyio
