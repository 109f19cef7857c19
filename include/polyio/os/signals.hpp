// SignalWatcher: delivers signals as calls on a thread of its own, whatever the I/O model is doing.
// The signals are blocked in the thread that makes the watcher, and so in every thread it starts
// afterwards, so that they interrupt nothing there; older threads pass them on. The destructor
// restores the mask, and that of a signal's last watcher its disposition. Each of a process's
// watchers gets the signals it asked for, at most 64 of them; a forked process has none of them.
#pragma once

#include <csignal>  // SIGINT and its like, for the callers
#include <functional>
#include <initializer_list>
#include <memory>

namespace polyio::os {

class SignalWatcher {
 public:
  // Calls `on_signal(number)` for each of `signals` that arrives. Throws std::system_error when no
  // descriptor or thread is left.
  SignalWatcher(std::initializer_list<int> signals, std::function<void(int)> on_signal);
  ~SignalWatcher();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// While this lives no signal handler runs in the calling thread, nor in threads it starts.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept;
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  // The mask as it was, and will be.
  const sigset_t& before() const noexcept { return before_; }

 private:
  sigset_t before_;
};

// Whether this process ignores it, as nohup(1) has it for SIGHUP.
bool is_ignored(int signal) noexcept;
// Whether this process has a controlling terminal now: not in a daemon, nor once its window closed.
bool has_terminal() noexcept;

// Makes a write to a closed pipe or socket an error (EPIPE) instead of the end of the process.
void ignore_sigpipe() noexcept;
// The same unless the program handles it.
void ignore_sigpipe_by_default() noexcept;
// Makes a write past the largest size that a file may have (ulimit -f) an error, EFBIG.
void ignore_sigxfsz() noexcept;
// Names the calling thread, as ps(1) and the chat's console show it; at most 15 bytes.
void name_thread(const char* name) noexcept;

}  // namespace polyio::os
