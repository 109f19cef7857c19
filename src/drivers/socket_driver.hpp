// SocketDriver: what the drivers over real sockets have in common: how sockets are made and what is
// asked of them outside operations. The rule: a handle stands for one descriptor, made and taken
// over in the mode (blocking or not) that the model needs.
#pragma once

#include <polyio/io/driver.hpp>
#include <polyio/os/socket.hpp>

namespace polyio {

class SocketDriver : public Driver {
 public:
  Result<Handle> listen(const os::Address& address, int backlog) final;
  Result<Handle> open(int family) final;
  Result<Handle> bind(const os::Address& address) final;
  Result<> shutdown(Handle handle, int how) override;
  Result<os::Address> local_address(Handle handle) final;
  Result<os::Address> peer_address(Handle handle) final;

 protected:
  explicit SocketDriver(os::Blocking mode) noexcept : mode_(mode) {}
  os::Blocking mode() const noexcept { return mode_; }
  // What watch() waits with. Errors: EBADF, EMFILE.
  static Result<os::UniqueFd> duplicate(int fd);

 private:
  const os::Blocking mode_;
};

}  // namespace polyio
