#include "tracer.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <polyio/base/clock.hpp>
#include <system_error>
#include <thread>

namespace polyio::lab {

Tracer::Tracer(Child& child, Seen seen) : child_(child), seen_(std::move(seen)) {
  int status = 0;
  while (::waitpid(child.pid(), &status, __WALL) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  }
  if (!WIFSTOPPED(status)) {
    child.reaped();
    throw Denied(
        "system calls can't be followed: ptrace(2) is not allowed here. In a container: start it "
        "with --cap-add SYS_PTRACE; else see that no debugger or strace has this process, and that "
        "/proc/sys/kernel/yama/ptrace_scope is below 3");
  }
  known_.insert(child.pid());
  constexpr long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                           PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
  if (::ptrace(PTRACE_SETOPTIONS, child.pid(), nullptr, options) != 0 ||
      ::ptrace(PTRACE_SYSCALL, child.pid(), nullptr, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "ptrace");
  }
}

Tracer::~Tracer() {
  child_.kill();
  // Each thread is waited for: before, the kernel keeps the process.
  int status = 0;
  while (::waitpid(-1, &status, __WALL) > 0 || errno == EINTR) {
  }
  child_.reaped();
}

void Tracer::run_to_the_end(const std::function<bool()>& done) {
  int status = 0;
  while (!ended_ && !done()) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread > 0) take(thread, status);
  }
}

int Tracer::run_until(pid_t other) {
  int status = 0;
  for (;;) {
    const pid_t thread = ::waitpid(-1, &status, __WALL | WUNTRACED);
    if (thread == other) return status;
    if (thread > 0) take(thread, status);
    if (thread < 0 && errno != EINTR) throw std::runtime_error("the load is gone");
  }
}

bool Tracer::step() {
  int status = 0;
  const pid_t thread = ::waitpid(-1, &status, __WALL | WNOHANG);
  if (thread > 0) take(thread, status);
  return thread > 0;
}

void Tracer::settle(Nanoseconds quiet, Nanoseconds most) {
  const Deadline end = deadline_after(monotonic_now(), most);
  Deadline moved = monotonic_now();
  while (monotonic_now() < std::min(end, moved + quiet)) {
    if (step()) {
      moved = monotonic_now();
    } else if (ended_) {
      return;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

void Tracer::take(pid_t thread, int status) {
  if (WIFSTOPPED(status)) return stopped(thread, status);
  known_.erase(thread);
  if (thread != child_.pid()) return;
  ended_ = true;
  child_.reaped();
}

// One of its threads has stopped: on its way into or out of a call, or by a signal, which it gets.
void Tracer::stopped(pid_t thread, int status) {
  constexpr int at_call = SIGTRAP | 0x80;
  Stop stop{.kind = Stop::Kind::signal, .thread = thread, .at = monotonic_now()};
  int signal = 0;
  if (WSTOPSIG(status) == at_call) {
    __ptrace_syscall_info info{};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the address argument is a size here
    const auto size = reinterpret_cast<void*>(sizeof info);
    const bool got = ::ptrace(PTRACE_GET_SYSCALL_INFO, thread, size, &info) > 0;
    if (got && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      stop.kind = Stop::Kind::entry;
      stop.number = info.entry.nr;
      std::ranges::copy(info.entry.args, stop.args.begin());
      seen_(stop);
    } else if (got && info.op == PTRACE_SYSCALL_INFO_EXIT) {
      stop.kind = Stop::Kind::exit;
      stop.result = info.exit.rval;
      seen_(stop);
    }
  } else if (status >> 16 == 0) {
    const bool first = WSTOPSIG(status) == SIGSTOP && !known_.contains(thread);
    if (!first) {  // a new thread begins with a stop that is ours
      signal = WSTOPSIG(status);
      stop.number = static_cast<std::uint64_t>(signal);
      seen_(stop);
    }
  }
  known_.insert(thread);
  ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal);  // ESRCH: it was killed meanwhile
}

}  // namespace polyio::lab
