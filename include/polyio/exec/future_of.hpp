// What the pools have in common: the future that a call makes, map(), and how they end.
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

struct PoolShutdown {
  bool wait = true;             // until the works are done and the workers have ended
  bool cancel_pending = false;  // the works that still wait in line
};

// What submit(function, arguments...) gives back.
template <class Function, class... Arguments>
using FutureOf =
    Future<typename detail::FutureValue<detail::ReturnOf<Function, Arguments...>>::type>;

namespace detail {
// A pool's map().
template <class Pool, class Function, class Values>
auto map_on(Pool& pool, const Function& function, Values&& values, Deadline until) {
  std::vector<FutureOf<Function, std::ranges::range_reference_t<Values>>> futures;
  if constexpr (std::ranges::sized_range<Values>) futures.reserve(std::ranges::size(values));
  for (auto&& value : values) {
    futures.push_back(pool.submit(function, std::forward<decltype(value)>(value)));
  }
  return results_of(std::move(futures), until);
}
}  // namespace detail

}  // namespace polyio
