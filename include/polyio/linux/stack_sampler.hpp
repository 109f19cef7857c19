// StackSampler: takes a stack sample of another thread of the process: interrupts it by a signal,
// in whose handler the thread records its stack and answers the caller's question. The signal is
// SIGSTKFLT, which nothing else uses: not the kernel, not glibc, not our drivers (SIGURG and
// real-time signals), no profiler. An older handler gets the signals that are not ours, and is
// restored when the last sampler ends.
#pragma once

#include <pthread.h>

#include <array>
#include <polyio/base/clock.hpp>

namespace polyio::os {

struct StackSample {
  // Where the thread is, innermost first: the instruction itself, then return addresses.
  std::array<const void*, 64> frames;
  std::size_t depth = 0;
};

class StackSampler {
 public:
  // Called in the sampled thread, in a signal handler: async-signal-safe calls only. False: the
  // stack is not wanted.
  using Look = bool (*)(void* context) noexcept;

  StackSampler();
  ~StackSampler();
  StackSampler(const StackSampler&) = delete;
  StackSampler& operator=(const StackSampler&) = delete;

  // Fills `sample`. False: look() returned false, or the thread did not answer within `patience`
  // (it blocks the signal, or got no processor). `thread` must not have been joined. Its system
  // calls are restarted where they can be; its sleeps end early with EINTR (signal(7)).
  // Thread-safe.
  bool sample(pthread_t thread, Look look, void* context, StackSample& sample,
              Nanoseconds patience);
};

}  // namespace polyio::os
