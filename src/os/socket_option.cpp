#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <polyio/os/socket_option.hpp>
#include <utility>

namespace polyio::os {
namespace {

struct Name {
  int level, name;
};

// In the order of SocketOption.
constexpr auto names = std::to_array<Name>({
    {SOL_SOCKET, SO_KEEPALIVE},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_MAXSEG},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_PRIORITY},
    {SOL_SOCKET, SO_MARK},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_TTL},
    {SOL_SOCKET, SO_BROADCAST},
});
static_assert(names.size() == static_cast<std::size_t>(SocketOption::broadcast) + 1);

Name name_of(int socket, SocketOption option) noexcept {
  const Name name = names.at(static_cast<std::size_t>(option));
  if (name.level != IPPROTO_IP) return name;
  int domain = 0;
  socklen_t size = sizeof domain;
  (void)::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain != AF_INET6) return name;
  return {IPPROTO_IPV6, name.name == IP_TOS ? IPV6_TCLASS : IPV6_UNICAST_HOPS};
}

}  // namespace

Result<> set_option(int socket, SocketOption option, int value) {
  const Name at = name_of(socket, option);
  if (::setsockopt(socket, at.level, at.name, &value, sizeof value) != 0) return fail(errno);
  return {};
}

Result<int> get_option(int socket, SocketOption option) {
  const Name at = name_of(socket, option);
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(socket, at.level, at.name, &value, &size) != 0) return fail(errno);
  return value;
}

}  // namespace polyio::os
