// Where a connection comes from when a proxy stands before the server: the PROXY protocol, versions
// 1 and 2 (haproxy's proxy-protocol.txt), and HTTP's X-Forwarded-For and Forwarded (RFC 7239). The
// rule: anybody can send these, so they are looked at only when the peer is a trusted one.
#pragma once

#include <polyio/proto/http.hpp>
#include <polyio/proto/network.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

struct ProxySource {
  // none: the proxy speaks for itself (LOCAL) or does not know (UNKNOWN): the peer's own address.
  enum class Family : std::uint8_t { none, ipv4, ipv6, unix_socket };
  Family family = Family::none;
  std::string host;  // an address as IpAddress::text(), "unix", or empty
  std::uint16_t port = 0;
};

// Reads the header that comes before everything else on a connection. Not thread-safe.
class ProxyHeaderReader {
 public:
  static constexpr std::size_t max_v1 = 107;   // bytes, "\r\n" included
  static constexpr std::size_t max_v2 = 4096;  // bytes, with all extensions, which are dropped

  enum class Progress : std::uint8_t { need_more, complete, error };
  struct Step {
    Progress progress;
    std::size_t consumed;  // bytes taken from the front of what was fed
  };
  // complete: source() has the answer, the bytes after `consumed` are the connection's own. error:
  // error() says why, at the first byte that can't be right. Not to be called after these.
  Step feed(std::span<const std::byte> bytes);
  const ProxySource& source() const noexcept { return source_; }
  std::string_view error() const noexcept { return error_; }

 private:
  Progress take();
  Progress take_v2();
  Progress finish_v1();
  Progress finish_v2();
  Progress refuse(std::string_view why) noexcept;

  std::string held_;
  ProxySource source_;
  std::string_view error_;
};

// The address that a request comes from. `peer`: the connection's, an address or "unix". Where that
// is in `trusted`, the last one in `header` that is not, as IpAddress::text(): each proxy appends
// its peer. It ends at what is no address, and the trusted one before that is the answer. `header`:
// "X-Forwarded-For" or "Forwarded", the one that the proxies set; the other is anybody's.
std::string forwarded_for(const Request& request, std::string_view peer,
                          std::span<const Network> trusted,
                          std::string_view header = "X-Forwarded-For");

}  // namespace polyio::proto
