#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
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

// "/run/echo.sock", or "@name" in the abstract namespace (unix(7)).
Result<Address> parse_unix(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path == "@" || path.contains('\0')) return fail(EINVAL);
  if (path.size() > sizeof address.sun_path - 1) return fail(ENAMETOOLONG);
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const bool abstract = path.starts_with('@');
  if (abstract) address.sun_path[0] = '\0';
  // An abstract name is as long as the size says, a path ends with its NUL.
  const std::size_t size = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
  return Address(reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size));
}

// The owner of a socket chooses its name, any bytes: what is not plain text is shown as \xNN.
std::string printable(std::string_view name) {
  std::string text;
  for (const char byte : name) {
    if (byte >= ' ' && byte < 0x7f && byte != '\\') {
      text += byte;
    } else {
      constexpr char digits[] = "0123456789abcdef";
      const auto value = static_cast<unsigned char>(byte);
      text += {'\\', 'x', digits[value >> 4], digits[value & 15]};
    }
  }
  return text;
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size) noexcept
    : size_(size < sizeof storage_ ? size : socklen_t{sizeof storage_}) {
  std::memcpy(&storage_, address, size_);
}

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
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

std::string Address::path() const {
  constexpr std::size_t start = offsetof(sockaddr_un, sun_path);
  if (family() != AF_UNIX || size_ <= start) return {};
  std::string name(reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path, size_ - start);
  if (name.front() == '\0') {
    name.front() = '@';
  } else {
    name.resize(std::strlen(name.c_str()));  // a path of 108 bytes has no NUL
  }
  return name;
}

std::string Address::host() const {
  if (family() == AF_UNIX) return printable(path());
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text,
                sizeof text);
  } else if (family() == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(&storage_);
    // An IPv4 peer of an IPv6 socket is shown as what it is.
    if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
      ::inet_ntop(AF_INET, address->sin6_addr.s6_addr + 12, text, sizeof text);
      return text;
    }
    ::inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    if (address->sin6_scope_id) return text + ("%" + std::to_string(address->sin6_scope_id));
  }
  return text;
}

bool Address::is_any() const noexcept {
  if (family() == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(storage_).sin_addr.s_addr == INADDR_ANY;
  }
  return family() == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr);
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
  if (family() == AF_UNIX) return "unix:" + name;
  const std::string number = std::to_string(port());
  return name.contains(':') ? "[" + name + "]:" + number : name + ":" + number;
}

}  // namespace polyio::os
