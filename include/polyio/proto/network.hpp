// IP addresses and networks as text, for lists of peers that are trusted: no system call, no name
// is resolved. The rule: an IPv4 address is the same in its IPv6 form (::ffff:10.0.0.1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // of IPv6, IPv4 as ::ffff:a.b.c.d

  // Four decimal numbers without leading zeros, or IPv6 (RFC 4291 section 2.2) without a zone.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;
  bool is_v4() const noexcept;
  std::string text() const;  // RFC 5952
  bool operator==(const IpAddress&) const = default;
};

// An address, a network, or all peers of Unix sockets.
class Network {
 public:
  // "10.0.0.0/8", "::1", "unix"; the error is a sentence that says so.
  static std::expected<Network, std::string> parse(std::string_view text);
  // `host`: an address, or "unix". False for anything else.
  bool contains(std::string_view host) const noexcept;

 private:
  std::optional<IpAddress> address_;  // nothing: unix
  unsigned bits_ = 0;
};

bool any_contains(std::span<const Network> networks, std::string_view host) noexcept;

}  // namespace polyio::proto
