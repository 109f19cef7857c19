#include "lifeline.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace polyio::process::detail {
namespace {

// Of this process, -1 before its first daemon. Set once, to both ends together.
std::atomic<int> read_end{-1}, write_end{-1};

Result<int> shared_read_end() {
  if (const int there = read_end.load(); there >= 0) return there;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno);
  int none = -1;
  if (!write_end.compare_exchange_strong(none, ends[1])) {  // another thread was first
    ::close(ends[0]);
    ::close(ends[1]);
    int there;
    while ((there = read_end.load()) < 0) {
    }
    return there;
  }
  read_end.store(ends[0]);
  return ends[0];
}

}  // namespace

Result<os::UniqueFd> lifeline_for_child() {
  const auto shared = shared_read_end();
  if (!shared) return fail(shared.error());
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", *shared);
  os::UniqueFd own(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!own) return fail(errno);
  return own;
}

bool hold_lifeline(os::UniqueFd lifeline) noexcept {
  const int fd = lifeline.release();
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETOWN, ::getpid()) != 0 || ::fcntl(fd, F_SETSIG, SIGKILL) != 0 ||
      ::fcntl(fd, F_SETFL, flags | O_ASYNC) != 0) {
    return false;
  }
  pollfd gone{fd, 0, 0};  // the parent may have died before the kernel knew of us
  if (::poll(&gone, 1, 0) == 1) ::kill(::getpid(), SIGKILL);
  return true;
}

void close_lifeline() noexcept {
  for (std::atomic<int>* const end : {&read_end, &write_end}) {
    if (const int fd = end->exchange(-1); fd >= 0) ::close(fd);
  }
}

}  // namespace polyio::process::detail
