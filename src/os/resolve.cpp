#include <netdb.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <polyio/os/resolve.hpp>

namespace polyio::os {
namespace {

class ResolveCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "resolve"; }
  std::string message(int value) const override { return ::gai_strerror(value); }
};

struct FreeAddrinfo {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return fail(EINVAL);
  HostPort result;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, result.port);
  if (error != std::errc{} || stop != end || result.port == 0) return fail(EINVAL);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.contains('\0')) return fail(EINVAL);
  // A bare IPv6 address can't be separated from its port; brackets may hold nothing else.
  if (bracketed != host.contains(':')) return fail(EINVAL);
  result.host = host;
  return result;
}

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error == EAI_SYSTEM) return fail(errno);
  if (error) return fail(std::error_code(error, resolve_category()));
  const std::unique_ptr<addrinfo, FreeAddrinfo> list(found);
  std::vector<Address> addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    addresses.emplace_back(entry->ai_addr, entry->ai_addrlen).set_port(port);
  }
  if (addresses.empty()) return fail(std::error_code(EAI_NONAME, resolve_category()));
  return addresses;
}

}  // namespace polyio::os
