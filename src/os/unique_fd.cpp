#include <unistd.h>
#include <polyio/os/unique_fd.hpp>

namespace polyio::os {

void UniqueFd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace polyio::os
