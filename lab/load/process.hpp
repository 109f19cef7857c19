// What the kernel knows of the server's process: CPU time and memory, children included.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace polyio::lab {

// What a process has used since it started, its children included.
struct Usage {
  // CPU time: of all threads, those that ended too, and of children that ended and were waited for
  // (of them only ticks are kept). A thread that is running right now is up to one tick (4 ms)
  // behind, so let the server come to rest first; settle() does.
  std::int64_t cpu_ns = 0;
  // The same in clock ticks of 10 ms, by where it was spent. Too coarse for a time, but their
  // ratio over a second or more divides cpu_ns.
  std::int64_t user_ticks = 0, system_ticks = 0;
  // Context switches of all threads that still run: it had to wait; its time was up.
  std::int64_t voluntary = 0, involuntary = 0;
  // Its threads were ready to run and did not: on a quiet machine 0, where each has a core of its
  // own.
  std::int64_t waited_ns = 0;
};
// Throws std::runtime_error when there is no such process. All 0 for pid 0.
Usage usage_of(pid_t pid);
Usage operator-(const Usage& after, const Usage& before);

// Waits until a server that has nothing to do sleeps.
void settle();

struct Memory {
  std::int64_t private_dirty = 0;  // bytes that are this process's own and were written
  std::int64_t anonymous = 0;      // bytes that belong to no file
  std::int64_t resident = 0;
  // Of the whole machine, our end of the connections included: slab, kernel stacks, page tables.
  std::int64_t kernel = 0;
};
Memory memory_of(pid_t pid);

// How many descriptors the process has; 0 when that can't be read.
std::size_t descriptors_of(pid_t pid);

// Waits until it has `count` of them, for at most `seconds`; returns whether it has.
bool wait_for_descriptors(pid_t pid, std::size_t count, double seconds);

}  // namespace polyio::lab
