// What a Process runs: a function and its arguments, kept until the child has them. A function, or
// a lambda without captures, is in the child's program too when that is the same one, so it can be
// named by its place there and its arguments sent as bytes (spawn); everything else needs the
// parent's memory (fork). Internal to room process.
#pragma once

#include <memory>
#include <polyio/process/error.hpp>
#include <polyio/serial/serial.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

namespace polyio::process::detail {

class Target {
 public:
  // Makes the target again in the child: `function` is where it lies there, if it is a function.
  using Entry = std::unique_ptr<Target> (*)(const void* function, serial::Reader& arguments);

  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual ~Target() = default;
  // Once. The exit code.
  virtual int run() = 0;
  // nullptr: it can't be sent, for the reason in `refusal`.
  virtual Entry entry() const noexcept = 0;
  virtual const void* function() const noexcept = 0;
  virtual Errc refusal() const noexcept = 0;
  virtual void write(serial::Writer& arguments) const = 0;
};

// What is kept of the arguments A of a call of F: the function's own parameter types where it says
// them (so "text" for a std::string is kept as one), else what was given.
template <class F, class... A>
struct Kept {
  using type = std::tuple<std::decay_t<A>...>;
};
template <class F>
struct Parameters {};
template <class R, class... P>
struct Parameters<R (*)(P...)> {
  using type = std::tuple<std::decay_t<P>...>;
};
template <class R, class... P>
struct Parameters<R (*)(P...) noexcept> : Parameters<R (*)(P...)> {};
template <class R, class C, class... P>
struct Parameters<R (C::*)(P...)> : Parameters<R (*)(P...)> {};
template <class R, class C, class... P>
struct Parameters<R (C::*)(P...) const> : Parameters<R (*)(P...)> {};
template <class F>
  requires requires { &F::operator(); }
struct Parameters<F> : Parameters<decltype(&F::operator())> {};
template <class F, class... A>
  requires requires { requires std::tuple_size_v<typename Parameters<F>::type> == sizeof...(A); }
struct Kept<F, A...> : Parameters<F> {};

template <class Tuple>
inline constexpr bool sendable = false;
template <class... T>
inline constexpr bool sendable<std::tuple<T...>> = (serial::Serialisable<T> && ...);

template <class F>
inline constexpr bool is_function =
    std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;
// Has no state, so that one made in the child does the same.
template <class F>
inline constexpr bool is_stateless = std::is_empty_v<F> && std::is_default_constructible_v<F>;

template <class F, class Arguments>
class Call final : public Target {
  static constexpr bool placed = is_function<F> || is_stateless<F>;

 public:
  template <class... A>
  explicit Call(F call, A&&... arguments)
      : call_(std::move(call)), arguments_(std::forward<A>(arguments)...) {}

  int run() override {
    return std::apply([this](auto&... kept) { return this->invoke(kept...); }, arguments_);
  }
  Entry entry() const noexcept override {
    if constexpr (placed && sendable<Arguments>) return &make;
    return nullptr;
  }
  const void* function() const noexcept override {
    if constexpr (is_function<F>) return reinterpret_cast<const void*>(call_);
    return nullptr;
  }
  Errc refusal() const noexcept override {
    return placed ? Errc::argument_not_sendable : Errc::target_not_sendable;
  }
  void write(serial::Writer& into) const override {
    if constexpr (sendable<Arguments>) {
      std::apply([&](const auto&... kept) { (into(kept), ...); }, arguments_);
    }
  }

 private:
  template <class... T>
  int invoke(T&... kept) {
    if constexpr (std::is_invocable_v<F&, T&&...>) {
      return code([&]() -> decltype(auto) { return call_(std::move(kept)...); });
    } else {  // a parameter that is a reference: to the child's own copy
      return code([&]() -> decltype(auto) { return call_(kept...); });
    }
  }
  template <class Invoke>
  static int code(Invoke invoke) {
    if constexpr (std::is_same_v<decltype(invoke()), int>) {
      return invoke();
    } else {
      invoke();
      return 0;
    }
  }
  static std::unique_ptr<Target> make(const void* function, serial::Reader& from) {
    Arguments arguments;
    std::apply([&](auto&... kept) { (from(kept), ...); }, arguments);
    return std::apply(
        [&](auto&... kept) -> std::unique_ptr<Target> {
          if constexpr (is_function<F>) {
            return std::make_unique<Call>(reinterpret_cast<F>(const_cast<void*>(function)),
                                          std::move(kept)...);
          } else {
            return std::make_unique<Call>(F{}, std::move(kept)...);
          }
        },
        arguments);
  }

  F call_;
  Arguments arguments_;
};

template <class F, class... A>
std::unique_ptr<Target> make_target(F&& function, A&&... arguments) {
  using Function = std::decay_t<F>;
  using Arguments = typename Kept<Function, A...>::type;
  return std::make_unique<Call<Function, Arguments>>(std::forward<F>(function),
                                                     std::forward<A>(arguments)...);
}

}  // namespace polyio::process::detail
