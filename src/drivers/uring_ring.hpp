// How a ring is set up: the flags measured best for one thread that submits and reaps in turn, and
// constants that are newer than liburing 2.3's headers.
#pragma once

#include <liburing.h>

namespace polyio::uring {

inline constexpr unsigned buffer_more = 1U << 4;  // IORING_CQE_F_BUF_MORE (Linux 6.12)

// Opens a ring for the calling thread alone. Returns 0 or a negated errno.
inline int open(io_uring& ring) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                     IORING_SETUP_CLAMP;
  parameters.cq_entries = 8192;
  return io_uring_queue_init_params(512, &ring, &parameters);
}

}  // namespace polyio::uring
