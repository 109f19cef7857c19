// when_all, when_any and with_timeout: several operations at the same time, or one for a while
// only, in one statement. An operation is a Task or whatever else a Task may await:
//   auto both = co_await when_all(io, stream.send_all(request), load(io, name));
//   auto any = co_await when_any(io, orders.get(io), stop.wait(io));
//   auto line = co_await with_timeout(io, 10s, reader.read_line(1'024));
// They are task groups and cancel scopes (task_group.hpp) and keep their rules: nothing outlives
// the statement, a cancel from outside reaches all, and the first exception cancels the others and
// is rethrown when all have ended. Errors are results: they cancel nothing. docs/coroutines.md
#pragma once

#include <optional>
#include <polyio/io/task_group.hpp>
#include <tuple>
#include <variant>
#include <vector>

namespace polyio {

// What when_any answers.
template <class Results>
struct AnyOf {
  std::size_t index;  // which operation ended first, with an error or not
  // What each one ended with, the others too. They were cancelled, but one that had succeeded by
  // then has its value here: whoever drops it loses it.
  Results results;
};

namespace detail {

// What a co_await of `op` would use.
template <class A>
decltype(auto) awaiter_of(A& op) {
  if constexpr (requires { std::move(op).operator co_await(); }) {
    return std::move(op).operator co_await();
  } else {
    return (op);
  }
}
template <class A>
using AwaitedAs = decltype(awaiter_of(std::declval<A&>()).await_resume());
// The same as a value that can be kept.
template <class A>
using Kept = std::conditional_t<std::is_void_v<AwaitedAs<A>>, std::monostate, AwaitedAs<A>>;

// A task that refers to its operations, which may be temporaries of the statement.
template <class T>
class [[nodiscard]] AtOnce {
 public:
  using PolyioAwaitable = void;
  explicit AtOnce(Task<T> task) noexcept : task_(std::move(task)) {}
  auto operator co_await() && noexcept { return task_.operator co_await(); }
  template <class U = T>
  Task<U>::Awaiter operator co_await() & {
    static_assert(!std::is_same_v<U, T>,
                  "await it in the statement that makes it, co_await when_any(...): the "
                  "operations end with that statement");
    return {};
  }

 private:
  Task<T> task_;
};

// One operation of several, and what it ended with.
template <class A>
struct Branch {
  A op;
  std::optional<Kept<A>> result;
};

// What the operations of one statement share.
struct Race {
  TaskGroup* group;
  bool ends_with_first;
  std::optional<std::size_t> first;

  void ended(std::size_t index) {
    if (first) return;
    first = index;
    if (ends_with_first) group->cancel();
  }
};

template <class A>
Task<> run_branch(Branch<A>& branch, std::size_t index, Race& race) {
  auto&& awaiter = awaiter_of(branch.op);
  if constexpr (std::is_void_v<AwaitedAs<A>>) {
    co_await awaiter;
    branch.result.emplace();
  } else {
    auto value = co_await awaiter;
    branch.result.emplace(std::move(value));
  }
  race.ended(index);
}

template <class... A>
Result<> spawn_all(Race& race, std::tuple<Branch<A>...>& branches) {
  Result<> spawned;
  std::size_t index = 0;
  const auto spawn = [&]<class B>(Branch<B>& branch) {
    if (spawned) spawned = race.group->spawn(run_branch<B>, branch, index++, race);
  };
  std::apply([&](auto&... branch) { (spawn(branch), ...); }, branches);
  return spawned;
}

template <class A>
Result<> spawn_all(Race& race, std::vector<Branch<A>>& branches) {
  Result<> spawned;
  for (std::size_t index = 0; spawned && index < branches.size(); ++index) {
    spawned = race.group->spawn(run_branch<A>, branches[index], index, race);
  }
  return spawned;
}

template <class... A>
std::tuple<Kept<A>...> results_of(std::tuple<Branch<A>...>& branches) {
  return std::apply(
      [](auto&... branch) { return std::tuple<Kept<A>...>(std::move(*branch.result)...); },
      branches);
}

template <class A>
std::vector<Kept<A>> results_of(std::vector<Branch<A>>& branches) {
  std::vector<Kept<A>> results;
  results.reserve(branches.size());
  for (Branch<A>& branch : branches) results.push_back(std::move(*branch.result));
  return results;
}

template <class Branches>
using ResultsOf = decltype(results_of(std::declval<Branches&>()));

// Runs all to their end and answers which ended first.
template <class Branches>
Task<Result<std::size_t>> run_all(Io& io, bool ends_with_first, Branches& branches) {
  Race race{nullptr, ends_with_first, {}};
  Result<> spawned;
  auto body = [&](TaskGroup& group) -> Task<> {
    race.group = &group;
    spawned = spawn_all(race, branches);
    if (!spawned) group.cancel();  // none has run yet: they begin cancelled
    co_return;
  };
  co_await with_task_group(io, body);
  if (!spawned) co_return fail(spawned.error());
  co_return race.first.value_or(0);
}

template <class Branches>
Task<Result<ResultsOf<Branches>>> all_of(Io& io, Branches branches) {
  const auto ended = co_await run_all(io, false, branches);
  if (!ended) co_return fail(ended.error());
  co_return results_of(branches);
}

template <class Branches>
Task<Result<AnyOf<ResultsOf<Branches>>>> any_of(Io& io, Branches branches) {
  const auto first = co_await run_all(io, true, branches);
  if (!first) co_return fail(first.error());
  AnyOf<ResultsOf<Branches>> any{*first, results_of(branches)};
  co_return any;
}

template <class T>
std::vector<Branch<Task<T>>> branches_of(std::vector<Task<T>> tasks) {
  std::vector<Branch<Task<T>>> branches;
  branches.reserve(tasks.size());
  for (Task<T>& task : tasks) branches.push_back({std::move(task), {}});
  return branches;
}

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;

template <class A>
using Timed = std::conditional_t<std::is_void_v<AwaitedAs<A>>, Result<>, Kept<A>>;

template <class A>
Task<Timed<A>> timed(Io& io, Nanoseconds span, A& op) {
  const CancelScope scope(io, span);
  auto&& awaiter = awaiter_of(op);
  if constexpr (std::is_void_v<AwaitedAs<A>>) {
    co_await awaiter;
    co_return scope.check();
  } else {
    co_return co_await awaiter;
  }
}

}  // namespace detail

// Runs all operations at the same time and waits for all. Answers Result<std::tuple<...>>: what
// each ended with, in the order given; std::monostate for a Task<>. Errors:
// Errc::concurrency_unavailable and ENOMEM, as TaskGroup::spawn; nothing has been done then.
template <class... A>
auto when_all(Io& io, A&&... ops) {
  using Branches = std::tuple<detail::Branch<A&>...>;
  return detail::AtOnce(detail::all_of(io, Branches(detail::Branch<A&>{ops, {}}...)));
}
// The same for any number of tasks: Result<std::vector<T>>.
template <class T>
auto when_all(Io& io, std::vector<Task<T>> tasks) {
  return detail::all_of(io, detail::branches_of(std::move(tasks)));
}

// Runs all operations at the same time until one has ended, with an error or not; cancels the
// others and waits for their end. Answers Result<AnyOf<std::tuple<...>>>: which one was first, and
// what each ended with. In a loop they begin in the order given, and when one ends at once, those
// after it begin cancelled and take nothing; threads of the blocking model may begin in another
// order. Errors: as when_all.
template <class... A>
auto when_any(Io& io, A&&... ops) {
  static_assert(sizeof...(A) > 0, "when_any of nothing would never end");
  using Branches = std::tuple<detail::Branch<A&>...>;
  return detail::AtOnce(detail::any_of(io, Branches(detail::Branch<A&>{ops, {}}...)));
}
// The same for any number of tasks, which is at least 1: Result<AnyOf<std::vector<T>>>.
template <class T>
auto when_any(Io& io, std::vector<Task<T>> tasks) {
  POLYIO_RULE(!tasks.empty(), "when_any of nothing would never end");
  return detail::any_of(io, detail::branches_of(std::move(tasks)));
}

// Runs an operation, or a task, that answers a Result, and cancels it after `span`. The answer is
// what it ended with: timed_out for what was under way then, and a value that came all the same is
// kept. Of a Task<> it is a Result<>: whether it ended in time, and what cancelled it if not.
template <class A>
auto with_timeout(Io& io, Nanoseconds span, A&& op) {
  static_assert(std::is_void_v<detail::AwaitedAs<A>> || detail::is_result<detail::Kept<A>>,
                "with_timeout takes what can say that it failed: an operation or task that "
                "answers a Result, or a Task<>");
  return detail::AtOnce(detail::timed(io, span, op));
}

}  // namespace polyio
