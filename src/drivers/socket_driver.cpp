#include "socket_driver.hpp"

#include <fcntl.h>

namespace polyio {

Result<Handle> SocketDriver::listen(const os::Address& address, int backlog) {
  auto fd = os::listen_stream(address, backlog, mode_);
  if (!fd) return fail(fd.error());
  return adopt_listener(fd->release(), false);
}

Result<Handle> SocketDriver::open(int family) {
  auto fd = os::stream_socket(family, mode_);
  if (!fd) return fail(fd.error());
  return adopt(fd->release());
}

Result<Handle> SocketDriver::bind(const os::Address& address) {
  auto fd = os::bind_datagram(address, mode_);
  if (!fd) return fail(fd.error());
  return adopt(fd->release());
}

Result<os::UniqueFd> SocketDriver::duplicate(int fd) {
  os::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail(errno);
  return copy;
}

Result<> SocketDriver::shutdown(Handle handle, int how) {
  return os::shutdown(descriptor(handle), how);
}

Result<os::Address> SocketDriver::local_address(Handle handle) {
  return os::local_address(descriptor(handle));
}

Result<os::Address> SocketDriver::peer_address(Handle handle) {
  return os::peer_address(descriptor(handle));
}

}  // namespace polyio
