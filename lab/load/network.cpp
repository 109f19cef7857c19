#include "network.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <system_error>

namespace polyio::lab {

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

sockaddr_in parse_server(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const auto colon = text.rfind(':');
  const std::string host = text.substr(0, colon);
  std::uint16_t port = 0;
  bool right = colon != std::string::npos &&
               inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1 &&
               (ntohl(address.sin_addr.s_addr) >> 24) == 127;
  if (right) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
    right = parsed.ec == std::errc{} && parsed.ptr == end && port != 0;
  }
  if (!right) throw std::invalid_argument(text + " is not 127.x.x.x:PORT");
  address.sin_port = htons(port);
  return address;
}

int connect_one(const sockaddr_in& server, std::size_t index) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  const linger reset{1, 0};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000002u + static_cast<std::uint32_t>(index / 8000));
  if (bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) fail("bind");
  while (connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
    if (errno != EINTR) fail("connect");
  }
  return fd;
}

std::string python_name(int fd) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) fail("getsockname");
  char host[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &own.sin_addr, host, sizeof host);
  return fmt::format("('{}', {})", host, ntohs(own.sin_port));
}

Epoll::Epoll(bool spin) : fd_(epoll_create1(EPOLL_CLOEXEC)), spin_(spin), events_(1024) {
  if (fd_ < 0) fail("epoll_create1");
}

Epoll::~Epoll() { close(fd_); }

void Epoll::add(int fd, std::uint64_t data, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

void Epoll::modify(int fd, std::uint64_t data, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event) != 0) fail("epoll_ctl");
}

std::span<const epoll_event> Epoll::wait(std::int64_t timeout_ns) {
  if (spin_ || timeout_ns < 0) timeout_ns = 0;
  const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  const int count =
      epoll_pwait2(fd_, events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
  if (count < 0 && errno != EINTR) fail("epoll_pwait2");
  return {events_.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

void Watchdog::check(std::int64_t now, const std::string& waiting_for) const {
  if (now - last_ > patience_ns_) {
    throw std::runtime_error("nothing came for long: waiting for " + waiting_for);
  }
}

}  // namespace polyio::lab
