#include "call_counter.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <polyio/base/clock.hpp>
#include <system_error>
#include <thread>

namespace polyio::lab {

CallCounter::CallCounter(Child& child) : child_(child) {
  int status = 0;
  while (::waitpid(child.pid(), &status, __WALL) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  }
  if (!WIFSTOPPED(status)) {
    child.reaped();
    throw Denied("system calls can't be counted: ptrace(2) is not allowed here");
  }
  known_.insert(child.pid());
  constexpr long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                           PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
  if (::ptrace(PTRACE_SETOPTIONS, child.pid(), nullptr, options) != 0 ||
      ::ptrace(PTRACE_SYSCALL, child.pid(), nullptr, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "ptrace");
  }
}

CallCounter::~CallCounter() {
  child_.kill();
  // Each thread is waited for: before, the kernel keeps the process.
  int status = 0;
  while (::waitpid(-1, &status, __WALL) > 0 || errno == EINTR) {
  }
  child_.reaped();
}

void CallCounter::run_to_the_end(const std::function<bool()>& done) {
  int status = 0;
  while (!ended_ && !done()) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread > 0) take(thread, status);
  }
}

int CallCounter::run_until(pid_t other) {
  int status = 0;
  for (;;) {
    const pid_t thread = ::waitpid(-1, &status, __WALL | WUNTRACED);
    if (thread == other) return status;
    if (thread > 0) take(thread, status);
    if (thread < 0 && errno != EINTR) throw std::runtime_error("the load is gone");
  }
}

void CallCounter::settle(Nanoseconds quiet, Nanoseconds most) {
  const Deadline end = deadline_after(monotonic_now(), most);
  Deadline moved = monotonic_now();
  while (monotonic_now() < std::min(end, moved + quiet)) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL | WNOHANG);
    if (thread < 0 && errno != EINTR) return;
    if (thread > 0) {
      take(thread, status);
      moved = monotonic_now();
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

void CallCounter::take(pid_t thread, int status) {
  if (WIFSTOPPED(status)) return step(thread, status);
  known_.erase(thread);
  if (thread != child_.pid()) return;
  ended_ = true;
  child_.reaped();
}

// One of its threads has stopped: on its way into or out of a call, or by a signal, which it gets.
void CallCounter::step(pid_t thread, int status) {
  constexpr int at_call = SIGTRAP | 0x80;
  int signal = 0;
  if (WSTOPSIG(status) == at_call) {
    __ptrace_syscall_info info{};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the address argument is a size here
    const auto size = reinterpret_cast<void*>(sizeof info);
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, size, &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      ++seen_[info.entry.nr];
    }
  } else if (status >> 16 == 0) {
    const bool first = WSTOPSIG(status) == SIGSTOP && !known_.contains(thread);
    if (!first) signal = WSTOPSIG(status);  // a new thread begins with a stop that is ours
  }
  known_.insert(thread);
  ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal);  // ESRCH: it was killed meanwhile
}

Calls CallCounter::calls() const {
  Calls named;
  for (const auto& [number, count] : seen_) {
    named[name_of_call(number)] += static_cast<double>(count);
  }
  return named;
}

}  // namespace polyio::lab
