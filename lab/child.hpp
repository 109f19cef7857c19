// Child: a program in a process of its own, whose output is read: a server or a load of the lab. It
// has a session of its own, so no Ctrl-C of the terminal reaches it, and it is killed, with what it
// has started, by the end of the Child and by the end of this process, kill -9 included. For a
// process that has one thread. Errors: std::runtime_error, std::system_error.
#pragma once

#include <optional>
#include <polyio/linux/process.hpp>
#include <string>
#include <vector>

namespace polyio::lab {

// Thrown where a wait is ended by a signal of the user.
struct Interrupted {
  int signal;
};

class Child {
 public:
  struct Options {
    std::vector<std::string> arguments;  // behind the program's name
    std::vector<int> cores = {};         // it may use; empty: all
    bool traced = false;                 // stops before its first step, for Tracer
    bool input = false;                  // say() writes to its standard input; else that is empty
    std::string program = "/proc/self/exe";
  };
  // A signal in `interrupts` ends its waits.
  explicit Child(Options options, os::SignalQueue* interrupts = nullptr);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const noexcept { return process_.pid(); }
  // The next line of its output, without the end; waits for it. Nothing: no more comes.
  std::optional<std::string> read_line(Nanoseconds patience);
  // The same if it is there; nothing: not yet, or never.
  std::optional<std::string> take_line();
  // Gives it a line, without waiting. False: it has no input, or does not read it.
  bool say(const std::string& line) noexcept;
  // Whether it has ended by itself; its last lines may be there still.
  bool has_ended() const noexcept;
  // Waits until it has ended by itself.
  os::ExitStatus wait(Nanoseconds patience);
  // The last line it wrote to standard error; empty: none.
  std::string last_words() const;
  // All of it, 64 KiB at most.
  std::string said() const;
  // It was waited for by other code.
  void reaped() noexcept { ended_ = true; }
  // Ends it, with all processes of its session; no wait.
  void kill() noexcept;

 private:
  void wait_for(int fd, Nanoseconds patience);
  bool fill();

  os::SignalQueue* interrupts_;
  os::UniqueFd input_, output_, errors_;
  os::ChildProcess process_;
  std::string unread_;
  bool ended_ = false;
};

// Its exit code where it could not be traced, or not be started.
inline constexpr int untraceable = 77, not_started = 78;

}  // namespace polyio::lab
