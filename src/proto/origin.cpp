#include <polyio/proto/handshake.hpp>
#include <polyio/proto/network.hpp>

#include <charconv>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

// The two parts of uri-host [ ":" port ]; an IPv6 name keeps its brackets.
struct Authority {
  std::string_view name;
  int port;
};

std::optional<Authority> parse_authority(std::string_view text, int default_port) noexcept {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == text.npos) return std::nullopt;
  const std::size_t colon = text.find(':', bracket);
  const std::string_view name = text.substr(0, colon);
  if (name.empty()) return std::nullopt;
  if (colon == text.npos) return Authority{name, default_port};
  const std::string_view digits = text.substr(colon + 1);
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool number = !digits.empty() && is_digit(digits.front()) && error == std::errc() &&
                      end == digits.data() + digits.size() && port <= 65535;
  return number ? std::optional(Authority{name, port}) : std::nullopt;
}

// In a URL only an IP address stands in brackets (RFC 3986 section 3.2.2), so no DNS name gets past
// this.
bool is_address(std::string_view name) noexcept {
  if (!name.starts_with('[')) return IpAddress::parse(name).has_value();
  return name.ends_with(']') && name.contains(':') &&
         IpAddress::parse(name.substr(1, name.size() - 2)).has_value();
}

bool is_among(std::string_view name, std::span<const std::string> names) noexcept {
  return std::ranges::any_of(
      names, [&](std::string_view other) { return equal_ignoring_case(name, other); });
}

bool name_allowed(std::string_view name, std::span<const std::string> allowed_names) noexcept {
  return is_address(name) || equal_ignoring_case(name, "localhost") ||
         is_among(name, allowed_names);
}

}  // namespace

bool host_allowed(std::string_view host, std::span<const std::string> allowed_names) noexcept {
  const auto authority = parse_authority(host, 0);
  return authority && name_allowed(authority->name, allowed_names);
}

bool origin_allowed(std::optional<std::string_view> origin, std::string_view host,
                    std::span<const std::string> allowed_names) noexcept {
  if (!origin) return true;
  const bool secure = starts_ignoring_case(*origin, "https://");
  if (!secure && !starts_ignoring_case(*origin, "http://")) return false;
  const int default_port = secure ? 443 : 80;
  const auto page = parse_authority(origin->substr(secure ? 8 : 7), default_port);
  const auto server = parse_authority(host, default_port);
  if (!page || !server || !name_allowed(server->name, allowed_names)) return false;
  // Behind a proxy the page's port and scheme are the proxy's, and the Host may be any by which the
  // proxy knows this server.
  if (is_among(page->name, allowed_names)) return true;
  return page->port == server->port && equal_ignoring_case(page->name, server->name);
}

bool origin_allowed(const Request& request, std::span<const std::string> allowed_names) noexcept {
  if (request.count("Origin") > 1) return false;
  const auto host = request.header("Host");
  return host && origin_allowed(request.header("Origin"), *host, allowed_names);
}

}  // namespace polyio::proto
