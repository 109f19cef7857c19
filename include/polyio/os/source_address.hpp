// The address of this machine by which a datagram came, and by which one goes (IP_PKTINFO, ip(7);
// IPV6_RECVPKTINFO, ipv6(7)): a socket that is bound to every address has several, and who asked
// one of them expects the answer from it.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <polyio/os/address.hpp>
#include <span>

namespace polyio::os {

// Bytes of a msghdr's msg_control for one such address.
inline constexpr std::size_t source_room = 64;

// Makes the kernel say it of each datagram, if the socket is bound to every address. Errors: those
// of setsockopt(2).
Result<> ask_for_local_address(int fd, const Address& bound) noexcept;
// Of a message that was received with msg_control set; its port is 0. Empty: it does not say.
Address local_address_of(const msghdr& message) noexcept;
// Makes `message` go by `source`; `room` outlives the sending. Nothing if `source` is empty.
void set_source(msghdr& message, std::span<std::byte, source_room> room,
                const Address& source) noexcept;

}  // namespace polyio::os
