// Generator<T>: a coroutine that yields values one at a time to a range-for loop or a view. It runs
// only while the reader asks for the next value, and may be left half-way: what it holds is freed
// with it. An input range, read once, as C++23's std::generator is (not in libstdc++ 12):
//   Generator<T>         the reader gets a T&&, which it may move from; move-only types too. What
//                        is yielded by name is copied first.
//   Generator<T&>        the variable itself, changeable; Generator<const T&>: to look at.
// Move-only, not thread-safe.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <polyio/base/assert.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <type_traits>
#include <utility>

namespace polyio {

template <class T>
class [[nodiscard]] Generator {
  using Reference = T&&;  // of a reference: that reference
  using Pointer = std::add_pointer_t<Reference>;

 public:
  struct promise_type {
    // Holds the copy while the reader has it.
    class Copied {
     public:
      explicit Copied(const std::remove_cvref_t<T>& value) : value_(value) {}
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        self.promise().current = std::addressof(value_);
      }
      void await_resume() noexcept {}

     private:
      std::remove_cvref_t<T> value_;
    };

    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }
    Generator get_return_object() noexcept {
      return Generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(Reference value) noexcept {
      current = std::addressof(value);
      return {};
    }
    Copied yield_value(const std::remove_cvref_t<T>& value)
      requires(!std::is_reference_v<T> && std::is_copy_constructible_v<T>)
    {
      return Copied(value);
    }
    void return_void() noexcept {}
    void unhandled_exception() { throw; }
    void await_transform() = delete;  // a generator may only yield
    Pointer current = nullptr;
    bool begun = false;
  };

  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = std::remove_cvref_t<T>;
    using difference_type = std::ptrdiff_t;
    // Rethrows what the coroutine throws; that is its end.
    Iterator& operator++() {
      handle_.resume();
      return *this;
    }
    void operator++(int) { ++*this; }
    Reference operator*() const noexcept {
      return static_cast<Reference>(*handle_.promise().current);
    }
    bool operator==(std::default_sentinel_t) const noexcept { return handle_.done(); }

   private:
    friend Generator;
    explicit Iterator(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
  };

  Generator(Generator&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Generator& operator=(Generator&& other) noexcept {
    Generator before(std::move(other));
    std::swap(handle_, before.handle_);
    return *this;
  }
  ~Generator() {
    if (handle_) handle_.destroy();
  }

  // Runs to the first yield; rethrows what the coroutine throws.
  Iterator begin() {
    POLYIO_RULE(handle_ && !std::exchange(handle_.promise().begun, true),
                "a Generator is read once, and not after it was moved from");
    handle_.resume();
    return Iterator(handle_);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  explicit Generator(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace polyio
