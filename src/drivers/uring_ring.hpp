// How a ring is set up, with the flags that were best for one thread that submits and reaps in
// turn, and how it ends.
#pragma once

#include <liburing.h>

#include <cerrno>

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

// Opens a ring for one thread alone, the one that enables it (enable). Returns 0 or
// a negated errno. All rings of a user share what the user may lock (RLIMIT_MEMLOCK, mostly 8 MiB;
// root is exempt): where a large one does not fit a smaller one may.
inline int open(io_uring& ring) {
  struct Size {
    unsigned submissions, completions;
  };
  // 1 MiB, 64 KiB, 16 KiB; a completion that does not fit costs the kernel an allocation.
  constexpr Size sizes[] = {{512, 65536}, {512, 4096}, {128, 1024}};
  int error = 0;
  for (const Size& size : sizes) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    parameters.cq_entries = size.completions;
    error = io_uring_queue_init_params(size.submissions, &ring, &parameters);
    if (error != -ENOMEM) break;
  }
  begins();
  return error;
}

// Makes it the calling thread's. Returns 0 or a negated errno. (liburing 2.3 declares
// io_uring_enable_rings and does not export it.)
inline int enable(io_uring& ring) {
  return io_uring_register(static_cast<unsigned>(ring.ring_fd), IORING_REGISTER_ENABLE_RINGS,
                           nullptr, 0);
}

}  // namespace polyio::uring
