#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <polyio/os/wakeup.hpp>
#include <system_error>

namespace polyio::os {

Wakeup::Wakeup(Kind kind) {
  if (kind == Kind::eventfd) {
    fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd_) throw std::system_error(errno, std::generic_category(), "eventfd");
    return;
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  fd_.reset(ends[0]);
  into_.reset(ends[1]);
}

void Wakeup::signal() noexcept {
  const std::uint64_t one = 1;
  const int to = into_ ? into_.get() : fd_.get();
  const std::size_t size = into_ ? 1 : sizeof one;
  // EAGAIN: full, so it is readable as it is.
  while (::write(to, &one, size) < 0 && errno == EINTR) {
  }
}

void Wakeup::drain() noexcept {
  char bytes[512];
  for (;;) {  // an eventfd gives 8 bytes; a pipe that gives fewer than asked for is empty
    const ssize_t count = ::read(fd_.get(), bytes, sizeof bytes);
    if (count == ssize_t{sizeof bytes} || (count < 0 && errno == EINTR)) continue;
    return;
  }
}

}  // namespace polyio::os
