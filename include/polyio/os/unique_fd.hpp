// UniqueFd: owns one file descriptor and closes it, once. The fd of a moved-from object is -1.
#pragma once

#include <utility>

namespace polyio::os {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  // Gives the fd away; the caller closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  // Closes the fd held, if any (close(2); EINTR is not retried, Linux has released the fd by then).
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

}  // namespace polyio::os
