// How a ring is set up, with the flags that were best for one thread that submits and reaps in
// turn, and how it ends.
#pragma once

#include <liburing.h>

#include <polyio/base/sanitizers.hpp>

#if POLYIO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace polyio::uring {

// liburing maps and unmaps a ring by raw system calls, which ThreadSanitizer does not see: memory
// of one ring that is another thread's ring later would look like a race between the two.
#if POLYIO_TSAN
inline char life;
inline void begins() noexcept { __tsan_acquire(&life); }
inline void ends() noexcept { __tsan_release(&life); }
#else
inline void begins() noexcept {}
inline void ends() noexcept {}
#endif

inline void close(io_uring& ring) {
  ends();
  io_uring_queue_exit(&ring);
}

// Closes a ring at the end of its scope, if it still has one then.
struct Closing {
  explicit Closing(io_uring& to_close) noexcept : ring(&to_close) {}
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  ~Closing() {
    if (ring) close(*ring);
  }
  io_uring* ring;
};

// Opens a ring for the calling thread alone. Returns 0 or a negated errno.
inline int open(io_uring& ring) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                     IORING_SETUP_CLAMP;
  parameters.cq_entries = 65536;  // 1 MiB; what does not fit costs the kernel an allocation each
  const int error = io_uring_queue_init_params(512, &ring, &parameters);
  begins();
  return error;
}

}  // namespace polyio::uring
