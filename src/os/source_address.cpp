#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <polyio/os/source_address.hpp>

namespace polyio::os {
namespace {

static_assert(CMSG_SPACE(sizeof(in_pktinfo)) <= source_room &&
              CMSG_SPACE(sizeof(in6_pktinfo)) <= source_room);

// The address as its family has it.
template <class Socket>
const Socket& as(const Address& address) noexcept {
  return *reinterpret_cast<const Socket*>(address.data());
}

template <class Info>
void put(msghdr& message, std::span<std::byte, source_room> room, int level, int type,
         const Info& info) noexcept {
  message.msg_control = room.data();
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

// A link-local address means something on its interface only.
std::uint32_t scope_of(const in6_addr& address, std::uint32_t interface) noexcept {
  return IN6_IS_ADDR_LINKLOCAL(&address) ? interface : 0;
}

}  // namespace

Result<> ask_for_local_address(int fd, const Address& bound) noexcept {
  constexpr int on = 1;
  int failed = 0;
  if (bound.family() == AF_INET && as<sockaddr_in>(bound).sin_addr.s_addr == htonl(INADDR_ANY)) {
    failed = ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  } else if (bound.family() == AF_INET6 &&
             IN6_IS_ADDR_UNSPECIFIED(&as<sockaddr_in6>(bound).sin6_addr)) {
    failed = ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  }
  if (failed) return fail(errno);
  return {};
}

Address local_address_of(const msghdr& message) noexcept {
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (!header) return {};
  if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    std::memcpy(&info, CMSG_DATA(header), sizeof info);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr = info.ipi_spec_dst;
    return {reinterpret_cast<const sockaddr*>(&local), sizeof local};
  }
  if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(header), sizeof info);
    if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) return {};  // no answer comes from there
    sockaddr_in6 local{};
    local.sin6_family = AF_INET6;
    local.sin6_addr = info.ipi6_addr;
    local.sin6_scope_id = scope_of(info.ipi6_addr, info.ipi6_ifindex);
    return {reinterpret_cast<const sockaddr*>(&local), sizeof local};
  }
  return {};
}

void set_source(msghdr& message, std::span<std::byte, source_room> room,
                const Address& source) noexcept {
  if (source.family() == AF_INET) {
    in_pktinfo info{};
    info.ipi_spec_dst = as<sockaddr_in>(source).sin_addr;
    put(message, room, IPPROTO_IP, IP_PKTINFO, info);
  } else if (source.family() == AF_INET6) {
    const auto& from = as<sockaddr_in6>(source);
    in6_pktinfo info{};
    info.ipi6_addr = from.sin6_addr;
    info.ipi6_ifindex = from.sin6_scope_id;
    put(message, room, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

}  // namespace polyio::os
