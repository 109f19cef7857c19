// Process: a function, or a subclass's run(), that runs in a process of its own: Python's
// multiprocessing.Process. Every child is held by its pidfd, so that no signal and no wait ever
// hits an unrelated process that has reused its number, and every child is reaped, whether it is
// joined or not. The rules: what runs in the child has the parent's values, never its variables; a
// fork needs a process without other threads (fork(2)), a spawn needs `process::begin()`.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <polyio/base/clock.hpp>
#include <polyio/process/error.hpp>
#include <polyio/process/state.hpp>
#include <polyio/process/target.hpp>
#include <string>
#include <vector>

namespace polyio::process {

// fork: the child starts as a copy of this process, with all its memory. spawn: the child is this
// program started anew, which gets the function's place and the arguments as bytes.
enum class Method : bool { fork, spawn };

struct Options {
  std::string name = {};  // empty: "Process-1" and on
  bool daemon = false;    // dies with its parent, kill -9 included
  Method method = Method::fork;
};

namespace detail {
struct Child;
struct ChildDeleter {
  void operator()(Child* child) const noexcept;
};
}  // namespace detail

// The first line of main() in a program that spawns processes. In such a process it runs the
// function that was asked for and never returns; else it does nothing but remember that it was
// called. Without it spawn is refused, so that no program starts itself without end.
void begin(int argc, char** argv);

// For one thread at a time, but for `terminate()` and `kill()`, which any thread may call while
// another waits in join().
class Process {
 public:
  // Runs `target(arguments...)` in the child; an int it answers is the exit code, else that is 0;
  // an exception is printed to stderr and makes it 1. Arguments are kept as the parameters' types,
  // and given up by start(), once the child has them.
  template <class Target, class... Arguments>
    requires(!std::is_base_of_v<Process, std::decay_t<Target>> &&
             !std::is_same_v<std::decay_t<Target>, Options>)
  explicit Process(Target&& target, Arguments&&... arguments)
      : Process(Options(), std::forward<Target>(target), std::forward<Arguments>(arguments)...) {}
  template <class Target, class... Arguments>
  Process(Options options, Target&& target, Arguments&&... arguments)
      : Process(std::move(options)) {
    target_ =
        detail::make_target(std::forward<Target>(target), std::forward<Arguments>(arguments)...);
  }
  // The same by spawn, and what can't be spawned does not compile.
  template <class Target, class... Arguments>
  static Process spawned(Options options, Target target, Arguments&&... arguments) {
    static_assert(detail::is_function<Target> || detail::is_stateless<Target>,
                  "polyio: spawn runs a function or a lambda without captures: the child is "
                  "another program run and has none of this one's variables; give it arguments");
    []<class... T>(std::type_identity<std::tuple<T...>>) {
      (serial::require_serialisable<T>(), ...);
    }(std::type_identity<typename detail::Kept<Target, Arguments...>::type>());
    options.method = Method::spawn;
    return Process(std::move(options), std::move(target), std::forward<Arguments>(arguments)...);
  }
  // A running process goes on: it can no longer be joined, but it is reaped.
  virtual ~Process();
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;

  // Starts it, and returns when it is up: after the atfork handlers of a fork, after a spawned one
  // has read its arguments. One that dies before that has been started all the same. Errors: those
  // of process::Errc; EAGAIN, ENOMEM, EMFILE, no process can be had; what exec gave. After an error
  // it may be started again.
  Result<> start();
  // Waits until it has ended. Errors: timed_out at the deadline; not_started, not_our_child.
  Result<> join(Deadline deadline = never);
  // SIGTERM, SIGKILL (pidfd_send_signal(2)). One that has ended is no error. It ends some time
  // after that: is_alive() means little before join(). Errors: not_started, not_our_child.
  Result<> terminate();
  Result<> kill();
  // Any signal: SIGSTOP, SIGCONT ...
  Result<> send_signal(int number);
  bool is_alive();
  // None before start().
  std::optional<pid_t> pid() const noexcept;
  // None while it runs. What it ended with, or -signal when a signal killed it (-15 after
  // terminate()); 255 if other code has reaped it.
  std::optional<int> exitcode();
  // created, what state_of() says, terminated.
  State state();

  const std::string& name() const noexcept { return options_.name; }
  bool daemon() const noexcept { return options_.daemon; }
  Method method() const noexcept { return options_.method; }
  // Before start() only: too_late.
  Result<> set_name(std::string name);
  Result<> set_daemon(bool daemon);

  // A descriptor that is readable once it has ended (pidfd_open(2)), open while this lives; -1: it
  // has ended. For loops; room exec's join() is made of it.
  class Watch {
   public:
    explicit Watch(detail::Child& child) noexcept;
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    int fd() const noexcept;

   private:
    detail::Child& child_;
  };
  // not_started, not_our_child. The Process must outlive it.
  Result<std::unique_ptr<Watch>> watch();

 protected:
  // For a subclass that has a run() of its own; fork only.
  explicit Process(Options options = {});
  // What the child runs; its exit code.
  virtual int run();

 private:
  Result<detail::Child*> child() const;
  Result<> fork();
  Result<> spawn();

  Options options_;
  std::unique_ptr<detail::Target> target_;
  std::unique_ptr<detail::Child, detail::ChildDeleter> child_;
};

// This process: "MainProcess", or the name of the Process that runs here.
struct Current {
  std::string name = {};
  pid_t pid, parent_pid;  // getpid(2), getppid(2)
  bool daemon;
};
Current current_process();

namespace detail {
// Writes out what std::cout, std::clog and stdio have buffered. Before a fork, or both processes
// would write it.
void flush_all() noexcept;
}  // namespace detail

// The children of this process that have not ended, those of destroyed Process objects too; in the
// order of start(). Reaps what has ended.
struct Active {
  std::string name = {};
  pid_t pid;
  bool daemon;
};
std::vector<Active> active_children();

}  // namespace polyio::process
