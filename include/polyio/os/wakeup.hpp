// Wakeup: a descriptor that any thread can make readable to wake a loop out of its wait
// (eventfd(2)).
#pragma once

#include <polyio/os/unique_fd.hpp>

namespace polyio::os {

class Wakeup {
 public:
  Wakeup();  // throws std::system_error when no descriptor is left
  int fd() const noexcept { return fd_.get(); }
  // Makes fd() readable; many calls before a drain() are one. Thread-safe, async-signal-safe.
  void signal() noexcept;
  // Makes fd() not readable again. For the one thread that waits.
  void drain() noexcept;

 private:
  UniqueFd fd_;
};

}  // namespace polyio::os
