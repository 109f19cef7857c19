// ProcessId: identifies one process for good: its number, and when it started, because the number
// alone is reused once the process has been reaped. For shared memory, which remembers processes
// that the reader can't wait for. Both are those of the reader's pid namespace, which processes
// that share memory must share too.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace polyio::os {

struct ProcessId {
  // Clock ticks since boot (proc_pid_stat(5), field 22); 0: it could not read that of itself.
  std::uint64_t started = 0;
  pid_t pid = 0;  // 0: none
  bool operator==(const ProcessId&) const = default;
};

// The calling process; also right after a fork, or _Fork(3). Thread-safe; one getpid(2) but the
// first time.
ProcessId this_process() noexcept;
// Whether it still runs; a zombie does not. Reads one file of /proc, some 10 us. Where that can't
// be seen (no /proc, another user's process under hidepid, no descriptor left) it asks by
// pidfd_open(2) and kill(2), and only ESRCH means that it has ended: a living process must not lose
// what it holds. A number that another process has by now is then taken for the old one.
// Thread-safe.
bool is_alive(const ProcessId& process) noexcept;
// Whether some process with this number runs now. For callers that know only the number.
bool is_running(pid_t pid) noexcept;

}  // namespace polyio::os
