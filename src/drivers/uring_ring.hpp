// How a ring is set up, with the flags that were best for one thread that submits and reaps in
// turn, and how it ends.
#pragma once

#include <liburing.h>

#include <cerrno>
#include <ctime>

#include <polyio/base/sanitizers.hpp>
#include <span>

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

// Tries again for a second what could not lock memory: the kernel gives that of a ring which was
// closed back a little later. Returns 0 or a negated errno, as `call` does.
template <class Call>
int once_memory_is_back(Call call) {
  constexpr std::timespec pause{0, 2'000'000};
  int error = call();
  for (int i = 0; i < 500 && error == -ENOMEM; ++i) {
    ::nanosleep(&pause, nullptr);
    error = call();
  }
  return error;
}

// Opens a ring for one thread alone, the one that enables it. Returns 0 or a negated errno. All
// rings of a user share what the user may lock (RLIMIT_MEMLOCK, mostly 8 MiB; root is exempt):
// where a large one does not fit a smaller one may.
inline int open(io_uring& ring, bool small = false) {
  struct Size {
    unsigned submissions, completions;
  };
  // 1 MiB, 64 KiB, 4 KiB; a completion that does not fit costs the kernel an allocation.
  constexpr Size sizes[] = {{512, 65536}, {512, 4096}, {32, 256}};
  int error = -ENOMEM;
  for (const Size& size : std::span(sizes).subspan(small ? 2 : 0)) {
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
