// RemoteCall: a task of a ProcessPoolExecutor, from submit() to its result: the bytes that a worker
// gets, and what is made of those that come back. Internal, but for TaskOptions and
// RemoteException.
#pragma once

#include <polyio/exec/future_of.hpp>
#include <polyio/exec/future_state.hpp>
#include <polyio/process/code_place.hpp>
#include <polyio/process/target.hpp>
#include <stdexcept>

namespace polyio {

struct TaskOptions {
  // How long it may run at a worker, which is killed then. Such a task has a worker to itself.
  Nanoseconds timeout = Nanoseconds::max();
  // How often it is begun again when its worker dies; one that was killed for its timeout or by
  // kill() is not. What it had done by then is done twice.
  unsigned retries = 0;
};

// What a task threw: its what(), or "an exception of unknown type".
class RemoteException : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

// What a worker runs for a task. Writes the value behind what is in `result`.
using RemoteEntry = Result<> (*)(const void* function, serial::Reader& arguments,
                                 serial::Writer& result);
// Before the arguments of a task, and before its result.
struct TaskHead {
  std::uint64_t number = 0;  // of this worker
  std::uint64_t entry = 0, function = 0;
};
struct ResultHead {
  enum class Kind : std::uint64_t { value, error, exception };
  std::uint64_t number = 0;
  std::int64_t ran_for = 0;  // ns
  Kind kind = Kind::value;
};

// How a task of `Function` with `Arguments` is sent and run.
template <class Function, class... Arguments>
struct RemoteTask {
  using Kept = process::detail::Kept<Function, Arguments...>::type;
  static constexpr bool is_function = process::detail::is_function<Function>;
  static_assert(is_function || process::detail::is_stateless<Function>,
                "polyio: a process pool runs a function or a lambda without captures: a worker has "
                "none of this process's variables; give it arguments");
  static_assert(sizeof...(Arguments) == std::tuple_size_v<Kept>);

  static void write(serial::Writer& writer, const Arguments&... arguments) {
    write_as(writer, std::type_identity<Kept>(), arguments...);
  }
  static Result<> run(const void* function, serial::Reader& reader, serial::Writer& result) {
    Kept kept;
    std::apply([&](auto&... each) { (reader(each), ...); }, kept);
    if (reader.left() > 0) return fail(Errc::protocol_error);
    return std::apply([&](auto&... each) { return answer(function, result, each...); }, kept);
  }

 private:
  template <class... K>
  static void write_as(serial::Writer& writer, std::type_identity<std::tuple<K...>>,
                       const Arguments&... arguments) {
    (serial::require_serialisable<K>(), ...);
    if constexpr ((serial::Serialisable<K> && ...)) (write_one<K>(writer, arguments), ...);
  }
  template <class K, class A>
  static void write_one(serial::Writer& writer, const A& argument) {
    if constexpr (std::is_same_v<K, A>) {
      writer(argument);
    } else {
      writer(static_cast<const K&>(K(argument)));
    }
  }
  template <class... K>
  static decltype(auto) call(const void* function, K&... kept) {
    Function f = [&] {
      if constexpr (is_function) {
        return reinterpret_cast<Function>(const_cast<void*>(function));
      } else {
        return Function();
      }
    }();
    if constexpr (std::is_invocable_v<Function&, K&&...>) {
      return f(std::move(kept)...);
    } else {  // a parameter that is a reference: to the worker's own copy
      return f(kept...);
    }
  }
  template <class... K>
  static Result<> answer(const void* function, serial::Writer& result, K&... kept) {
    using Value = std::remove_cvref_t<decltype(call(function, kept...))>;
    if constexpr (std::is_void_v<Value>) {
      call(function, kept...);
      return {};
    } else {
      return written(result, call(function, kept...));
    }
  }
  template <class T>
  static Result<> written(serial::Writer& result, const T& value) {
    serial::require_serialisable<T>();
    if constexpr (serial::Serialisable<T>) result(value);
    return {};
  }
  template <class T>
  static Result<> written(serial::Writer& result, const Result<T>& value) {
    if (!value) return fail(value.error());
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return written(result, *value);
    }
  }
};

// The part that knows no type.
class RemoteCall {
 public:
  explicit RemoteCall(const TaskOptions& options) noexcept
      : how(options), retries_left(options.retries) {}
  virtual ~RemoteCall() = default;
  virtual FutureState& state() noexcept = 0;
  // Ends the future, which has begun: with the value that was written to `from`,
  virtual void end_with_value(serial::Reader& from) noexcept = 0;
  // and with what was thrown.
  virtual void end_with_exception(std::exception_ptr exception) noexcept = 0;

  const TaskOptions how;
  unsigned retries_left;
  std::vector<std::byte> bytes;  // its head and its arguments
  std::error_code refusal;       // its function can't be sent
  RemoteCall* next_in_line = nullptr;
  bool begun = false;  // at a worker, now or before
};

template <class T>
class RemoteCallOf final : public FutureStateOf<T>, public RemoteCall {
 public:
  explicit RemoteCallOf(const TaskOptions& options) : RemoteCall(options) {}

  template <class Task, class Function, class... Arguments>
  void write(Task, const Function& function, const Arguments&... arguments) {
    const void* code = nullptr;
    if constexpr (Task::is_function) {
      code = reinterpret_cast<const void*>(+function);
    }
    constexpr RemoteEntry entry = &Task::run;
    const auto entry_place = process::detail::place_of(reinterpret_cast<const void*>(entry));
    const auto place = process::detail::place_of(code);
    if (!entry_place || !place) {
      refusal = make_error_code(process::Errc::target_not_sendable);
      return;
    }
    bytes.reserve(sizeof(TaskHead) + 40);
    const TaskHead head{0, *entry_place, *place};
    serial::Writer writer(bytes);
    writer.append(&head, sizeof head);
    Task::write(writer, arguments...);
  }

  FutureState& state() noexcept override { return *this; }
  void end_with_value(serial::Reader& from) noexcept override {
    this->end_with([&]() -> Result<T> {
      if constexpr (std::is_void_v<T>) {
        if (from.left() > 0) return fail(Errc::protocol_error);
        return {};
      } else {
        return serial::read_all(from, [](serial::Reader& reader) {
          T value{};
          reader(value);
          return value;
        });
      }
    });
  }
  void end_with_exception(std::exception_ptr exception) noexcept override {
    this->set_exception(std::move(exception));
    this->end();
  }
};

}  // namespace detail
}  // namespace polyio
