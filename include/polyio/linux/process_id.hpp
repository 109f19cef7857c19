// ProcessId: names one process for good: its number, and when it started, because the number alone
// is given to a stranger once the process has been reaped. For shared memory, where a process is
// remembered that nobody here can wait for. Both are those of the reader's pid namespace: processes
// that share memory share it too.
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
// Whether it still runs; a zombie does not. Reads one file of /proc, some 10 us. A /proc that can't
// be read at all answers true: nobody is robbed for want of a descriptor. Thread-safe.
bool is_alive(const ProcessId& process) noexcept;
// Whether any process has this number at the moment and runs. Where only the number is known.
bool is_running(pid_t pid) noexcept;

}  // namespace polyio::os
