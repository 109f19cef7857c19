// Sockets, one system call each, errors as values. Descriptors are made with SOCK_CLOEXEC. Calls
// are restarted on EINTR, except where the comment says otherwise. Thread-safe, like the system
// calls.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <polyio/base/result.hpp>
#include <polyio/os/address.hpp>
#include <polyio/os/unique_fd.hpp>
#include <span>

namespace polyio::os {

enum class Blocking : bool { no, yes };

// A TCP socket that listens on `address`: SO_REUSEADDR, bind, listen; accepted sockets inherit
// TCP_NODELAY and SO_KEEPALIVE. Errors: those of bind(2).
Result<UniqueFd> listen_tcp(const Address& address, int backlog, Blocking blocking);
// A TCP socket for an address of that family, not connected yet.
Result<UniqueFd> tcp_socket(int family, Blocking blocking);
// accept4(2). Not restarted on EINTR.
Result<UniqueFd> accept(int listener, Blocking blocking);
Result<Address> local_address(int fd);
Result<Address> peer_address(int fd);
// shutdown(2): how is SHUT_RD, SHUT_WR or SHUT_RDWR. ENOTCONN is no error: the peer went first.
Result<> shutdown(int fd, int how);
Result<> set_nonblocking(int fd, bool on);
// TCP_NODELAY: a small write leaves at once (RFC 896's algorithm off).
Result<> set_no_delay(int fd);
// The error pending on the socket (SO_ERROR), 0 for none; reading clears it.
int pending_error(int fd) noexcept;
// connect(2) begun on a non-blocking socket; EINPROGRESS is success here.
Result<> start_connect(int fd, const Address& address);
// recv(2) and sendmsg(2) with MSG_NOSIGNAL; restarted on EINTR. EAGAIN is an error value.
Result<std::size_t> receive(int fd, std::span<std::byte> into);
Result<std::size_t> send(int fd, std::span<const iovec> from);
// The same for loops, which never wait in them (MSG_DONTWAIT): bytes, or a negated errno.
std::int64_t receive_now(int fd, std::span<std::byte> into) noexcept;
std::int64_t send_now(int fd, std::span<const iovec> from) noexcept;

}  // namespace polyio::os
