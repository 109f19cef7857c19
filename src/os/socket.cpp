#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/base/sanitizers.hpp>
#include <polyio/os/descriptor.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/os/source_address.hpp>

#include "local_name.hpp"

namespace polyio::os {
namespace {

int type_flags(Blocking blocking) {
  return SOCK_CLOEXEC | (blocking == Blocking::no ? SOCK_NONBLOCK : 0);
}

// In a process of several threads, glibc's recv, send and sendmsg pay four locked instructions for
// being points of pthread_cancel(3), which polyio never calls. The sanitizers watch glibc's.
#if POLYIO_ASAN || POLYIO_TSAN
ssize_t direct_recv(int fd, void* data, std::size_t size, int flags) noexcept {
  return ::recv(fd, data, size, flags);
}
ssize_t direct_send(int fd, const void* data, std::size_t size, int flags) noexcept {
  return ::send(fd, data, size, flags);
}
#else
ssize_t direct_recv(int fd, void* data, std::size_t size, int flags) noexcept {
  return ::syscall(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
}
ssize_t direct_send(int fd, const void* data, std::size_t size, int flags) noexcept {
  return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}
#endif

// The count, or a negated errno.
template <class Call>
std::int64_t restarted(Call call) noexcept {
  for (;;) {
    const ssize_t count = call();
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

Result<std::size_t> as_result(std::int64_t count) {
  if (count < 0) return fail(static_cast<int>(-count));
  return static_cast<std::size_t>(count);
}

// One piece goes by send(2), which costs the kernel less than sendmsg(2).
ssize_t send_parts(int fd, std::span<const iovec> from, int flags) noexcept {
  if (from.size() == 1) return direct_send(fd, from[0].iov_base, from[0].iov_len, flags);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  return ::sendmsg(fd, &message, flags);
}

Result<Address> name_of(int (*call)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return fail(errno);
  return Address(reinterpret_cast<sockaddr*>(&storage), size);
}

}  // namespace

Result<UniqueFd> stream_socket(int family, Blocking blocking) {
  UniqueFd fd(::socket(family, SOCK_STREAM | type_flags(blocking), 0));
  if (!fd) return fail(errno);
  return fd;
}

Result<UniqueFd> listen_stream(const Address& address, int backlog, Blocking blocking,
                               const ListenOptions& options) {
  auto fd = stream_socket(address.family(), blocking);
  if (!fd) return fd;
  const int on = 1;
  const bool local = address.family() == AF_UNIX;
  if (!local) {
    if (::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return fail(errno);
    if (options.reuse_port &&
        ::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
      return fail(errno);
    }
  }
  // Before it has a name, so that no process gets in between (unix(7) on Linux takes the file's
  // mode from the socket's).
  if (local && options.unix_mode && ::fchmod(fd->get(), options.unix_mode) != 0) return fail(errno);
  if (!local) {
    // Accepted sockets inherit both: small writes leave at once, dead peers are noticed.
    (void)::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)::setsockopt(fd->get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (auto bound = bind_stream(fd->get(), address, backlog); !bound) return fail(bound.error());
  return fd;
}

Result<UniqueFd> bind_datagram(const Address& address, Blocking blocking) {
  UniqueFd fd(::socket(address.family(), SOCK_DGRAM | type_flags(blocking), 0));
  if (!fd) return fail(errno);
  if (auto bound = bind_datagram(fd.get(), address); !bound) return fail(bound.error());
  if (auto asked = ask_for_local_address(fd.get(), address); !asked) return fail(asked.error());
  return fd;
}

Result<UniqueFd> accept(int listener, Blocking blocking) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, type_flags(blocking)));
  if (!fd) return fail(errno);
  return fd;
}

Result<Address> local_address(int fd) { return name_of(::getsockname, fd); }
Result<Address> peer_address(int fd) { return name_of(::getpeername, fd); }

bool peer_address_raw(int fd, RawAddress& address) noexcept {
  const int saved = errno;
  address.size = sizeof address.storage;
  const int failed =
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  errno = saved;
  return failed == 0;
}

Result<> shutdown(int fd, int how) {
  if (::shutdown(fd, how) != 0 && errno != ENOTCONN) return fail(errno);
  return {};
}

Result<> set_nonblocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return fail(errno);
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(fd, F_SETFL, wanted) != 0) return fail(errno);
  return {};
}

Result<> set_no_delay(int fd) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return fail(errno);
  return {};
}

void reset_on_close(int fd) noexcept {
  const linger hard{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail(errno);
  return copy;
}

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

bool quiet(int fd) noexcept {
  char byte;
  const auto count = restarted([&] { return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT); });
  return count == -EAGAIN || count == -EWOULDBLOCK;
}

Result<> start_connect(int fd, const Address& address) {
  if (::connect(fd, address.data(), address.size()) != 0 && errno != EINPROGRESS) {
    return fail(errno);
  }
  return {};
}

int connect_outcome(int fd) noexcept {
  if (const int error = pending_error(fd)) return error;
  const auto peer = peer_address(fd);
  return peer ? 0 : peer.error().value();
}

std::int64_t receive_now(int fd, std::span<std::byte> into) noexcept {
  const std::int64_t count =
      restarted([&] { return direct_recv(fd, into.data(), into.size(), MSG_DONTWAIT); });
  if (count != -ENOTSOCK) [[likely]]
    return count;
  return restarted([&] { return read_some(fd, into, false); });
}

std::int64_t send_now(int fd, std::span<const iovec> from) noexcept {
  const std::int64_t count =
      restarted([&] { return send_parts(fd, from, MSG_DONTWAIT | MSG_NOSIGNAL); });
  if (count != -ENOTSOCK) [[likely]]
    return count;
  return restarted([&] { return write_some(fd, from, false); });
}

std::int64_t receive_message_now(int fd, msghdr& message) noexcept {
  return restarted([&] { return ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC); });
}

std::int64_t send_message_now(int fd, const msghdr& message) noexcept {
  return restarted([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
}

Result<std::size_t> receive(int fd, std::span<std::byte> into) {
  return as_result(restarted([&] { return ::recv(fd, into.data(), into.size(), 0); }));
}

Result<std::size_t> send(int fd, std::span<const iovec> from) {
  return as_result(restarted([&] { return send_parts(fd, from, MSG_NOSIGNAL); }));
}

}  // namespace polyio::os
