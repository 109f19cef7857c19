#include <fcntl.h>
#include <pthread.h>
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

bool runs(const Stat& stat) noexcept {
  if (stat.error) return stat.error != ENOENT && stat.error != ESRCH;
  return stat.state != 'Z' && stat.state != 'X';
}

std::atomic<std::uint64_t> started_here{0};

}  // namespace

ProcessId this_process() noexcept {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { started_here = 0; });
  std::uint64_t started = started_here.load(std::memory_order_relaxed);
  if (!started) {
    started = read_stat(::getpid()).started;
    started_here.store(started, std::memory_order_relaxed);
  }
  return {started, ::getpid()};
}

bool is_alive(const ProcessId& process) noexcept {
  const Stat stat = read_stat(process.pid);
  return runs(stat) && (stat.error || stat.started == process.started);
}

bool is_running(pid_t pid) noexcept { return runs(read_stat(pid)); }

}  // namespace polyio::os
