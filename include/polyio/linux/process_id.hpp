// ProcessId: identifies one process for good: its number, and when it started, because the number
// alone is reused once the process has been reaped. For shared memory, which remembers processes
// that the reader can't wait for. Both are those of the reader's pid namespace, which processes
// that share memory must share too.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace polyio::os {

struct ProcessId {
  std::uint64_t started = 0;  // clock ticks since boot (proc_pid_stat(5), field 22)
  pid_t pid = 0;              // 0: none
  bool operator==(const ProcessId&) const = default;
};

// The calling process; also right after a fork. Thread-safe, no system call but the first time.
ProcessId this_process() noexcept;
// Whether it still runs; a zombie does not. Reads one file of /proc, some 10 us. True if /proc
// can't be read at all: a living process must not lose what it holds because this one has no
// descriptor left. Thread-safe.
bool is_alive(const ProcessId& process) noexcept;
// Whether some process with this number runs now. For callers that know only the number.
bool is_running(pid_t pid) noexcept;

}  // namespace polyio::os
