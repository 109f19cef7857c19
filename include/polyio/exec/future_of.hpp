// What the pools have in common: the future that a call makes, and the results of a map().
#pragma once

#include <functional>
#include <polyio/exec/future.hpp>

namespace polyio {

namespace detail {
template <class Function, class... Arguments>
using ReturnOf =
    std::remove_cvref_t<std::invoke_result_t<std::decay_t<Function>, std::decay_t<Arguments>...>>;

template <class T>
Generator<Result<T>> results_of(std::vector<Future<T>> futures, Deadline until) {
  for (Future<T>& future : futures) {
    auto result = std::move(future).result(until);
    co_yield std::move(result);
  }
}
}  // namespace detail

// What submit(function, arguments...) gives back.
template <class Function, class... Arguments>
using FutureOf =
    Future<typename detail::FutureValue<detail::ReturnOf<Function, Arguments...>>::type>;

}  // namespace polyio
