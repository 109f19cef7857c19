// The generator's sockets and its epoll loop. It talks to 127.x addresses only, and takes one
// source address per 8,000 connections: past ~14,000 from one address connecting gets slow.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace polyio::lab {

std::int64_t now_ns();

// Throws std::system_error with errno.
[[noreturn]] void fail(const char* what);

// "127.0.0.1:8080". Throws std::invalid_argument for anything that is not 127.x:port.
sockaddr_in parse_server(const std::string& text);

// Connects the `index`-th connection of a crowd, waiting; TCP_NODELAY. Use it with MSG_DONTWAIT. It
// ends with a reset, so nothing stays in TIME_WAIT.
int connect_one(const sockaddr_in& server, std::size_t index);

// The port and address a connection comes from, as "('127.0.0.2', 40000)".
std::string python_name(int fd);

class Epoll {
 public:
  explicit Epoll(bool spin);
  ~Epoll();
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;

  void add(int fd, std::uint64_t data, std::uint32_t events = EPOLLIN);
  void modify(int fd, std::uint64_t data, std::uint32_t events);
  // Waits at most `timeout_ns`, not at all when spinning.
  std::span<const epoll_event> wait(std::int64_t timeout_ns);

 private:
  int fd_;
  bool spin_;
  std::vector<epoll_event> events_;
};

// Throws when nothing has moved for the time given: the server lost something.
class Watchdog {
 public:
  explicit Watchdog(double patience_s)
      : patience_ns_(static_cast<std::int64_t>(patience_s * 1e9)) {}
  void moved(std::int64_t now) { last_ = now; }
  void check(std::int64_t now, const std::string& waiting_for) const;

 private:
  std::int64_t patience_ns_;
  std::int64_t last_ = now_ns();
};

}  // namespace polyio::lab
