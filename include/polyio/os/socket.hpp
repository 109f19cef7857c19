// Sockets, one system call each, errors as values. Descriptors are made with SOCK_CLOEXEC. Calls
// are restarted on EINTR, except where the comment says otherwise. Thread-safe, like the system
// calls.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <polyio/base/result.hpp>
#include <polyio/os/address.hpp>
#include <polyio/os/unique_fd.hpp>
#include <span>

namespace polyio::os {

enum class Blocking : bool { no, yes };

struct ListenOptions {
  // Several sockets may listen on the port, each with a queue of its own (SO_REUSEPORT). Not Unix.
  bool reuse_port = false;
  // Permissions of a Unix socket's file, as in chmod(2); 0: what umask(2) leaves.
  unsigned unix_mode = 0;
};

// A stream socket that listens on `address`. TCP: SO_REUSEADDR; accepted sockets inherit
// TCP_NODELAY and SO_KEEPALIVE. Unix: a stale socket file, on which no process listens any more, is
// replaced. Errors: those of bind(2); EADDRINUSE also for a Unix path that is in use or is not a
// socket.
Result<UniqueFd> listen_stream(const Address& address, int backlog, Blocking blocking,
                               const ListenOptions& options = {});
// A stream socket (TCP or Unix) for an address of that family, not connected yet.
Result<UniqueFd> stream_socket(int family, Blocking blocking);
// A datagram socket (UDP or Unix) bound to `address`; a stale Unix socket file is replaced as
// above.
Result<UniqueFd> bind_datagram(const Address& address, Blocking blocking);
// Removes the file of a Unix address after its listener has been closed, unless another process
// listens on it. No effect for other addresses. Errors: EADDRINUSE, those of unlink(2).
Result<> remove_stale_socket(const Address& address);
// accept4(2). Not restarted on EINTR.
Result<UniqueFd> accept(int listener, Blocking blocking);
Result<Address> local_address(int fd);
Result<Address> peer_address(int fd);
// peer_address(), for a signal handler: into plain memory. False: an error.
struct RawAddress {
  sockaddr_storage storage;
  socklen_t size;
  Address address() const { return Address(reinterpret_cast<const sockaddr*>(&storage), size); }
};
bool peer_address_raw(int fd, RawAddress& address) noexcept;
// shutdown(2): how is SHUT_RD, SHUT_WR or SHUT_RDWR. ENOTCONN is no error: the peer went first.
Result<> shutdown(int fd, int how);
Result<> set_nonblocking(int fd, bool on);
// TCP_NODELAY: a small write leaves at once (RFC 896's algorithm off).
Result<> set_no_delay(int fd);
// Closing the socket resets the connection (SO_LINGER with no time): the peer sees ECONNRESET.
void reset_on_close(int fd) noexcept;
// A second descriptor of the same open file (F_DUPFD_CLOEXEC).
Result<UniqueFd> duplicate(int fd);
// The error pending on the socket (SO_ERROR), 0 for none; reading clears it.
int pending_error(int fd) noexcept;
// True when a receive would have to wait: no byte has arrived, no end, no error (MSG_PEEK).
bool quiet(int fd) noexcept;
// connect(2) begun on a non-blocking socket; EINPROGRESS is success here.
Result<> start_connect(int fd, const Address& address);
// How one that has begun has ended: 0, or its error, which reading clears; ENOTCONN: not yet.
int connect_outcome(int fd) noexcept;
// recv(2) and sendmsg(2) with MSG_NOSIGNAL; restarted on EINTR. EAGAIN is an error value.
Result<std::size_t> receive(int fd, std::span<std::byte> into);
Result<std::size_t> send(int fd, std::span<const iovec> from);
// The same for loops, which never wait in them (MSG_DONTWAIT): bytes, or a negated errno.
std::int64_t receive_now(int fd, std::span<std::byte> into) noexcept;
std::int64_t send_now(int fd, std::span<const iovec> from) noexcept;
// One datagram, with its sender or receiver in msg_name. A received one's count is its whole length
// (MSG_TRUNC), also when `message` had room for less.
std::int64_t receive_message_now(int fd, msghdr& message) noexcept;
std::int64_t send_message_now(int fd, const msghdr& message) noexcept;

}  // namespace polyio::os
