#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdlib>
#include <polyio/os/address.hpp>

namespace polyio::os {
namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return fail(EINVAL);
  return port;
}

Result<Address> parse_ipv6(std::string host, std::uint16_t port) {
  sockaddr_in6 address{};
  if (auto percent = host.find('%'); percent != std::string::npos) {
    const std::string scope = host.substr(percent + 1);
    address.sin6_scope_id = ::if_nametoindex(scope.c_str());
    if (!address.sin6_scope_id) {
      address.sin6_scope_id = static_cast<std::uint32_t>(std::atoi(scope.c_str()));
    }
    if (!address.sin6_scope_id) return fail(EINVAL);
    host.resize(percent);
  }
  if (::inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1) return fail(EINVAL);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  return Address(reinterpret_cast<sockaddr*>(&address), sizeof address);
}

Result<Address> parse_ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return fail(EINVAL);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  return Address(reinterpret_cast<sockaddr*>(&address), sizeof address);
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size) noexcept
    : size_(size < sizeof storage_ ? size : socklen_t{sizeof storage_}) {
  std::memcpy(&storage_, address, size_);
}

Result<Address> Address::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(EINVAL);
  auto port = parse_port(text.substr(colon + 1));
  if (!port) return fail(port.error());
  std::string host(text.substr(0, colon));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    return parse_ipv6(host.substr(1, host.size() - 2), *port);
  }
  if (host.empty() || host == "*") host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  return parse_ipv4(host, *port);
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text,
                sizeof text);
  } else if (family() == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(&storage_);
    ::inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    if (address->sin6_scope_id) return text + ("%" + std::to_string(address->sin6_scope_id));
  }
  return text;
}

std::uint16_t Address::port() const noexcept {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  }
  return 0;
}

void Address::set_port(std::uint16_t port) noexcept {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

std::string Address::text() const {
  const std::string name = host();
  const std::string number = std::to_string(port());
  return family() == AF_INET6 ? "[" + name + "]:" + number : name + ":" + number;
}

}  // namespace polyio::os
