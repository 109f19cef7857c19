#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <polyio/os/descriptor.hpp>

namespace polyio::os {
namespace {

// False, and errno is EAGAIN.
bool ready(int fd, short events) noexcept {
  pollfd entry{fd, events, 0};
  if (::poll(&entry, 1, 0) != 0) return true;
  errno = EAGAIN;
  return false;
}

bool is_terminals_master(int fd) noexcept {
  unsigned number = 0;
  return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

}  // namespace

bool is_socket(int fd) noexcept {
  struct stat file{};
  return ::fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode);
}

Result<UniqueFd> in_mode(UniqueFd fd, Blocking mode) {
  struct stat file{};
  if (::fstat(fd.get(), &file) != 0) return fail(errno);
  if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) return fail(EPERM);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0) return fail(errno);
  if (((flags & O_NONBLOCK) == 0) == (mode == Blocking::yes)) return fd;
  if (is_terminals_master(fd.get())) {  // opened again it would be another terminal's
    if (auto set = set_nonblocking(fd.get(), mode == Blocking::no); !set) return fail(set.error());
    return fd;
  }
  char path[32];
  *fmt::format_to_n(path, sizeof path - 1, "/proc/self/fd/{}", fd.get()).out = '\0';
  // Non-blocking, or opening a FIFO would wait for its other end.
  UniqueFd own(::open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own) own = std::move(fd);
  if (auto set = set_nonblocking(own.get(), mode == Blocking::no); !set) return fail(set.error());
  return own;
}

ssize_t read_some(int fd, std::span<std::byte> into, bool wait) noexcept {
  if (!wait && !ready(fd, POLLIN)) return -1;
  const ssize_t count = ::read(fd, into.data(), into.size());
  return count < 0 && errno == EIO ? 0 : count;
}

ssize_t write_some(int fd, std::span<const iovec> from, bool wait) noexcept {
  if (!wait && !ready(fd, POLLOUT)) return -1;
  const auto parts = static_cast<int>(std::min<std::size_t>(from.size(), IOV_MAX));
  return ::writev(fd, from.data(), parts);
}

}  // namespace polyio::os
