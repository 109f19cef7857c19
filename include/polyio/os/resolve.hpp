// From what a person types ("example.org:80", "[::1]:8080") to addresses to connect to. Unlike
// os::Address this asks name servers and so may block for seconds: not for an event loop.
#pragma once

#include <cstdint>
#include <polyio/os/address.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::os {

struct HostPort {
  HostPort() = default;
  // Not an aggregate, because g++ 12 destroys a braced one twice in a co_await expression.
  HostPort(std::string its_host, std::uint16_t its_port)
      : host(std::move(its_host)), port(its_port) {}

  std::string host;  // without the brackets of an IPv6 literal
  std::uint16_t port = 0;
};

// "HOST:PORT" with a name, an IPv4 address or a bracketed IPv6 address; a port from 1 to 65535.
// Errors: EINVAL for anything else. Thread-safe.
Result<HostPort> parse_host_port(std::string_view text);

// The TCP addresses of `host`, in the order to try them in (getaddrinfo(3), RFC 6724); at least
// one. Blocks. Errors: those of resolve_category(), or an errno. Thread-safe.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port);

// The errors of getaddrinfo(3), EAI_NONAME and its like, with gai_strerror(3)'s texts.
const std::error_category& resolve_category() noexcept;

}  // namespace polyio::os
