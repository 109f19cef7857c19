// StackSampler: asks another thread of the process where it is: interrupts it by a signal, in whose
// handler the thread writes down its stack and looks at what the caller wants to know. The signal
// is SIGSTKFLT, which nothing else uses: not the kernel, not glibc, not our drivers (SIGURG and
// real-time signals), no profiler. A handler that was there before gets what is not ours, and is
// put back by the last sampler's end.
#pragma once

#include <pthread.h>

#include <array>
#include <polyio/base/clock.hpp>

namespace polyio::os {

struct StackSample {
  // Where the thread is, innermost first: first the instruction itself, then return addresses.
  std::array<const void*, 64> frames;
  std::size_t depth = 0;
};

class StackSampler {
 public:
  // Called in the thread that is asked, in a signal handler: async-signal-safe calls only. False:
  // the stack is not wanted.
  using Look = bool (*)(void* context) noexcept;

  StackSampler();
  ~StackSampler();
  StackSampler(const StackSampler&) = delete;
  StackSampler& operator=(const StackSampler&) = delete;

  // Fills `sample`. False: look() said so, or the thread did not answer within `patience` (it has
  // the signal blocked, or no processor). `thread` must not have been joined. System calls of its
  // that can be restarted are; sleeps end early with EINTR (signal(7)). Thread-safe.
  bool sample(pthread_t thread, Look look, void* context, StackSample& sample,
              Nanoseconds patience);
};

}  // namespace polyio::os
