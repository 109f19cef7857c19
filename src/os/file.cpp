#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/os/file.hpp>

namespace polyio::os {

Result<std::size_t> read(int fd, std::span<std::byte> into) {
  for (;;) {
    const ssize_t count = ::read(fd, into.data(), into.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return fail(errno);
  }
}

Result<> write_all(int fd, std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t count = ::write(fd, from.data(), from.size());
    if (count < 0 && errno != EINTR) return fail(errno);
    if (count > 0) from = from.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

void fill_standard_descriptors() noexcept {
  int fd = ::open("/dev/null", O_RDWR);  // the lowest that is free; these are meant to be inherited
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::dup(fd);
  if (fd >= 0) ::close(fd);
}

Result<UniqueFd> lock_file(const char* path) {
  UniqueFd file(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return fail(errno);
  return file;
}

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

bool may_read(int fd) noexcept {
  const pid_t owner = ::tcgetpgrp(fd);  // -1: not this process's terminal, or none at all
  return owner < 0 || owner == ::getpgrp();
}

}  // namespace polyio::os
