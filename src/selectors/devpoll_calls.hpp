// The three system calls of /dev/poll. On Solaris they are its own. Anywhere else its
// header is missing: what it declares is written down here from the manual (poll(7D)), and the
// calls are the emulation's (tests/emulation). So the selector has never been compiled on Solaris.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstddef>

#if defined(__sun)
#include <sys/devpoll.h>
#include <sys/ioctl.h>

namespace polyio::devpoll {

inline int open_device() noexcept { return ::open("/dev/poll", O_RDWR | O_CLOEXEC); }
inline ssize_t write_entries(int device, const pollfd* entries, std::size_t count) noexcept {
  return ::write(device, entries, count * sizeof(pollfd));
}
inline int poll_device(int device, dvpoll* request) noexcept {
  return ::ioctl(device, DP_POLL, request);
}

}  // namespace polyio::devpoll

#else
static_assert(POLLREMOVE != 0);  // glibc has the name too, for a poll(2) that it never got

struct dvpoll {
  pollfd* dp_fds;
  nfds_t dp_nfds;
  int dp_timeout;  // milliseconds, -1 for ever
};

namespace polyio::devpoll {

int open_device() noexcept;
ssize_t write_entries(int device, const pollfd* entries, std::size_t count) noexcept;
int poll_device(int device, dvpoll* request) noexcept;

}  // namespace polyio::devpoll
#endif
