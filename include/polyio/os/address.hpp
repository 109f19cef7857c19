// Address: an IPv4 or IPv6 address with a port, or the name of a Unix socket, as text and as
// sockaddr. Numeric only: nothing here asks a name server or blocks.
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
  // IPv4), "unix:/path" and, in the abstract namespace, "unix:@name". Errors: ENAMETOOLONG for a
  // Unix name of more than 107 bytes, EINVAL for anything else.
  static Result<Address> parse(std::string_view text);

  int family() const noexcept { return storage_.ss_family; }
  // The numeric host, "127.0.0.1" or "::1" (scope id kept: "fe80::1%2"); a Unix socket's name, ""
  // when it has none. Fit for a terminal.
  std::string host() const;
  // A Unix socket's name as it is, "/path" or "@name"; "" for others and for one without a name.
  std::string path() const;
  // 0 for a Unix address.
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  // "127.0.0.1:8080", "[::1]:8080", "unix:/path".
  std::string text() const;
  // 0.0.0.0 or [::], whatever the port.
  bool is_any() const noexcept;
  friend bool operator==(const Address& a, const Address& b) noexcept {
    return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
  }

  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace polyio::os
