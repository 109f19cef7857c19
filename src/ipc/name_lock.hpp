// NameLock: one process at a time makes or opens what has this name. Owning the lock is owning an
// abstract Unix socket's name, which Linux takes back however the process ends and which leaves no
// file (unix(7)). Names are per user and per network namespace.
#pragma once

#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <polyio/os/unique_fd.hpp>
#include <string_view>

namespace polyio::ipc {

class NameLock {
 public:
  // Waits for it. Errors: EBUSY, others had it up to the deadline; EACCES, a process of another
  // user has it; EMFILE, ENFILE, ENOMEM.
  static Result<NameLock> take(std::string_view name, Deadline deadline);

 private:
  explicit NameLock(os::UniqueFd socket) noexcept : socket_(std::move(socket)) {}
  os::UniqueFd socket_;
};

}  // namespace polyio::ipc
