// What the kernel knows of the server's process: CPU time and memory, children included.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace polyio::bench {

// CPU time in nanoseconds since the process started: all threads, those that ended too, and all
// children. A thread that is running right now is up to one tick (4 ms) behind, so let the server
// come to rest first; settle() does.
std::int64_t cpu_ns(pid_t pid);

// Nanoseconds its threads were ready to run and did not: on a quiet machine none, where each has a
// core of its own. Children are not counted.
std::int64_t waited_ns(pid_t pid);

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

}  // namespace polyio::bench
