#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <polyio/linux/process_id.hpp>
#include <polyio/os/unique_fd.hpp>

namespace polyio::os {
namespace {

struct Stat {
  int error = 0;
  char state = 0;
  std::uint64_t started = 0;
};

// No C++ memory, no locks: also called in a child just forked.
Stat read_stat(pid_t pid) noexcept {
  char path[32], text[512];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return {errno};
  const ssize_t got = ::read(file.get(), text, sizeof text - 1);
  if (got <= 0) return {got < 0 ? errno : ESRCH};  // ESRCH: it was reaped meanwhile
  text[got] = 0;
  const char* at = std::strrchr(text, ')');  // the name before may hold anything
  if (!at || at[1] != ' ') return {EIO};
  Stat stat{0, at[2]};
  at += 2;
  for (int field = 3; field < 22 && at; ++field) {
    at = std::strchr(at, ' ');
    if (at) ++at;
  }
  if (!at) return {EIO};
  stat.started = std::strtoull(at, nullptr, 10);
  return stat;
}

// Whether the process of this number has ended, asked without /proc: that may not be there
// (chroot), or not show the processes of other users (hidepid=2). Only ESRCH says that there is
// none; EPERM says that there is.
bool has_gone(pid_t pid) noexcept {
  if (pid <= 0) return true;
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process) {
    pollfd ended{process.get(), POLLIN, 0};  // a zombie has, too
    return ::poll(&ended, 1, 0) == 1;
  }
  return errno == ESRCH || (::kill(pid, 0) != 0 && errno == ESRCH);
}

// Of this process; asked for once, for what it is known by must not change while it runs.
struct Known {
  std::atomic<std::uint64_t> started{0};
  std::atomic<pid_t> pid{
      0};  // another number: forked since, by _Fork(3) maybe, which runs no handler
};
constinit Known known;

}  // namespace

ProcessId this_process() noexcept {
  const pid_t self = ::getpid();
  if (known.pid.load(std::memory_order_acquire) != self) {
    known.started.store(read_stat(self).started, std::memory_order_relaxed);
    known.pid.store(self, std::memory_order_release);
  }
  return {known.started.load(std::memory_order_relaxed), self};
}

bool is_alive(const ProcessId& process) noexcept {
  const Stat stat = read_stat(process.pid);
  if (stat.error) return !has_gone(process.pid);
  if (stat.state == 'Z' || stat.state == 'X') return false;
  return stat.started == process.started || process.started == 0;
}

bool is_running(pid_t pid) noexcept { return is_alive({0, pid}); }

}  // namespace polyio::os
