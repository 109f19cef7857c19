// NameLock: one process at a time makes or opens what has this name. It is the right to an abstract
// Unix socket's name, which Linux takes back from a process however it ends and which leaves no
// file (unix(7)). Names are those of the user and of the network namespace.
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
