// SocketBase: what Stream, Listener and Datagram share: a handle of one Io and its end. Move-only;
// closed when destroyed.
#pragma once

#include <polyio/base/assert.hpp>
#include <polyio/io/io.hpp>
#include <polyio/os/socket_option.hpp>
#include <utility>

namespace polyio {

class SocketBase {
 public:
  SocketBase() = default;
  SocketBase(Io& io, Handle handle) noexcept : io_(&io), handle_(handle) {}
  SocketBase(SocketBase&& other) noexcept
      : io_(std::exchange(other.io_, nullptr)), handle_(other.handle_) {}
  SocketBase& operator=(SocketBase&& other) noexcept {
    std::swap(io_, other.io_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~SocketBase() { close(); }

  explicit operator bool() const noexcept { return io_ != nullptr; }
  Io& io() const noexcept {
    POLYIO_RULE(io_, "a socket is used while it is open, not after close(), release() or a move");
    return *io_;
  }
  // Closes now; no task may be waiting on it. A second call does nothing.
  void close() noexcept {
    if (Io* owner = std::exchange(io_, nullptr)) owner->close(handle_);
  }
  // The descriptor, for looking only; -1 where there is none.
  int descriptor() const noexcept { return io().driver().descriptor(handle_); }
  // Ours and the peer's address (getsockname(2), getpeername(2)).
  Result<os::Address> local_address() const { return io().driver().local_address(handle_); }
  Result<os::Address> peer_address() const { return io().driver().peer_address(handle_); }
  // `stream.set_option(os::SocketOption::user_timeout, 10'000)`. Errors: setsockopt(2)'s; EBADF in
  // a simulated network.
  Result<> set_option(os::SocketOption option, int value) {
    return os::set_option(descriptor(), option, value);
  }
  Result<int> option(os::SocketOption option) const { return os::get_option(descriptor(), option); }

 protected:
  Io* io_ = nullptr;
  Handle handle_;
};

}  // namespace polyio
