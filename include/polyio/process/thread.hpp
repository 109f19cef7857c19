// Thread: Python's threading.Thread over std::thread, with what that lacks: a name that ps(1) shows
// too, the kernel's id, a join with a deadline, and the difference between threads the program
// waits for at its end and daemons, which it does not. The rule: at the end of main() every Thread
// that is no daemon is waited for.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <polyio/base/clock.hpp>
#include <polyio/process/error.hpp>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace polyio::process {

struct ThreadOptions {
  std::string name = {};  // empty: "Thread-1" and on
  bool daemon = false;    // ends with the program, in the middle of what it does
};

// A thread, as enumerate() lists it.
struct ThreadInfo {
  std::string name;
  pid_t native_id;  // gettid(2)
  bool daemon;
  bool operator==(const ThreadInfo&) const = default;
};

// For one thread at a time, but for join() and is_alive(), which any may call. A subclass's object
// must live until its run() has ended; a function is kept by the thread itself.
class Thread {
 public:
  // Runs `target(arguments...)`; arguments are copied or moved, std::ref passes a reference. An
  // exception is printed to stderr and ends the thread, not the program.
  template <class Target, class... Arguments>
    requires(!std::is_base_of_v<Thread, std::decay_t<Target>> &&
             !std::is_same_v<std::decay_t<Target>, ThreadOptions>)
  explicit Thread(Target&& target, Arguments&&... arguments)
      : Thread(ThreadOptions(), std::forward<Target>(target),
               std::forward<Arguments>(arguments)...) {}
  template <class Target, class... Arguments>
  Thread(ThreadOptions options, Target&& target, Arguments&&... arguments)
      : Thread(std::move(options)) {
    set_target([call = std::decay_t<Target>(std::forward<Target>(target)),
                kept = std::tuple<std::decay_t<Arguments>...>(
                    std::forward<Arguments>(arguments)...)]() mutable {
      std::apply([&](auto&... each) { (void)std::invoke(std::move(call), std::move(each)...); },
                 kept);
    });
  }
  // One that runs goes on.
  virtual ~Thread();
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&&) noexcept = default;

  // Returns when it runs. Errors: already_started, no_target; EAGAIN, no thread can be had.
  Result<> start();
  // Waits until it has ended. Errors: timed_out at the deadline, not_started, joins_itself.
  Result<> join(Deadline deadline = never);
  bool is_alive() const;
  // The kernel's id (gettid(2)); 0 before start().
  pid_t native_id() const;
  const std::string& name() const noexcept;
  bool daemon() const noexcept;
  // Before start() only: too_late.
  Result<> set_name(std::string name);
  Result<> set_daemon(bool daemon);

  struct State;  // internal

 protected:
  // For a subclass with a run() of its own.
  explicit Thread(ThreadOptions options = {});
  virtual void run();

 private:
  void set_target(std::move_only_function<void()> target);
  std::shared_ptr<State> state_;
};

// The calling thread: "MainThread", the name of its Thread, or "Dummy-<native id>" for one that
// something else started.
ThreadInfo current_thread();
// The main thread, and every Thread that has been started and has not ended. Thread-safe.
std::vector<ThreadInfo> enumerate();
std::size_t active_count();

}  // namespace polyio::process
