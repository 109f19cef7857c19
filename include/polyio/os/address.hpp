// Address: an IPv4 or IPv6 address with a port, as text and as sockaddr. Numeric only: nothing here
// asks a name server or blocks.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <polyio/base/result.hpp>
#include <string>
#include <string_view>

namespace polyio::os {

class Address {
 public:
  Address() = default;  // family() == AF_UNSPEC
  Address(const sockaddr* address, socklen_t size) noexcept;

  // "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (= 127.0.0.1), ":8080" or "*:8080" (any,
  // IPv4). Errors: EINVAL for anything else.
  static Result<Address> parse(std::string_view text);

  int family() const noexcept { return storage_.ss_family; }
  // The numeric host, "127.0.0.1" or "::1" (scope id kept: "fe80::1%2").
  std::string host() const;
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  // "127.0.0.1:8080", "[::1]:8080".
  std::string text() const;

  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace polyio::os
