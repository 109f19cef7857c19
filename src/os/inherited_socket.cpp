#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <polyio/os/inherited_socket.hpp>

namespace polyio::os {
namespace {

constexpr int first_fd = 3;

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): only read
  return value ? value : "";
}

std::expected<int, std::string> find_by_name(std::string_view name) {
  const std::string_view names = variable("LISTEN_FDNAMES");
  const int count = number(variable("LISTEN_FDS")).value_or(0);
  if (count == 0) return std::unexpected("the process was given no sockets (LISTEN_FDS)");
  if (number(variable("LISTEN_PID")) != ::getpid()) {
    return std::unexpected("the sockets are another process's (LISTEN_PID)");
  }
  std::string_view rest = names;
  for (int i = 0; i < count; ++i) {
    const std::size_t colon = rest.find(':');
    if (rest.substr(0, colon) == name) return first_fd + i;
    if (colon == rest.npos) break;
    rest.remove_prefix(colon + 1);
  }
  return std::unexpected(fmt::format("none of the sockets has that name; there are '{}'", names));
}

std::expected<int, std::string> check(int fd) {
  int listens = 0, type = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
    return std::unexpected(fmt::format("descriptor {} is no open socket", fd));
  }
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM || !listens) {
    return std::unexpected(fmt::format("descriptor {} is no stream socket that listens", fd));
  }
  return fd;
}

}  // namespace

std::expected<int, std::string> find_inherited_listener(std::string_view number_or_name) {
  const auto given = number(number_or_name);
  const auto fd = given ? std::expected<int, std::string>(*given) : find_by_name(number_or_name);
  return fd ? check(*fd) : fd;
}

std::expected<std::vector<int>, std::string> find_inherited_listeners() {
  std::vector<int> all;
  if (number(variable("LISTEN_PID")) != ::getpid()) return all;
  const auto count = number(variable("LISTEN_FDS"));
  if (!count) return std::unexpected("LISTEN_FDS is no number of sockets");
  for (int i = 0; i < *count; ++i) {
    const auto fd = check(first_fd + i);
    if (!fd) return std::unexpected("socket activation: " + fd.error());
    all.push_back(*fd);
  }
  return all;
}

void forget_inherited_listeners() noexcept {
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): the caller sees to that
  }
}

}  // namespace polyio::os
