// What the C++ servers share: the command line `SERVER [PORT [SPIN]]`, the listening socket, upper
// case,
// and the connection of the readiness loops: write first, wait for writability on EAGAIN only.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bench {

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Listens on 127.0.0.1 and says so; non-blocking by default. Accepted sockets inherit TCP_NODELAY.
inline int listen_here(int argc, char** argv, const char* name, int flags = SOCK_NONBLOCK) {
  const bool asked = argc > 1 && !std::strncmp(argv[1], "--help", 6);
  if (asked || argc > 3) {
    std::printf(
        "%s [PORT [SPIN]]: serves 127.0.0.1; PORT 0: any free one. SPIN: microseconds to poll\n"
        "before sleeping (hand-written epoll and io_uring echo only).\nExample: %s 8080\n",
        argv[0], argv[0]);
    std::exit(asked ? 0 : 2);
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("listening on 127.0.0.1:%d (%s)\n", ntohs(address.sin_port), name);
  std::fflush(stdout);
  return fd;
}

// Whether to poll once more instead of sleeping: until `SPIN` has passed since something came.
class Spin {
 public:
  Spin(int argc, char** argv) : limit_ns_(argc > 2 ? std::atol(argv[2]) * 1000 : 0) {}
  bool again(bool something_came) {
    if (limit_ns_ == 0) return false;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long now_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec;
    if (something_came) last_ns_ = now_ns;
    return now_ns - last_ns_ < limit_ns_;
  }

 private:
  long limit_ns_;
  long last_ns_ = 0;
};

// Without a branch: the compiler makes vector code of it, and mixed case costs no mispredictions.
inline void upper(char* bytes, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    const bool small = static_cast<unsigned char>(bytes[i] - 'a') < 26;
    bytes[i] = static_cast<char>(bytes[i] ^ (small ? 0x20 : 0));
  }
}

// -1 when there is nothing to accept.
inline int accept_one(int listener) {
  return accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

inline constexpr std::size_t buffer_size = 64 * 1024;
inline char hot_buffer[buffer_size];  // one for all: what is in it is sent or kept at once

// An upper-casing connection.
struct Upper {
  enum class Wants { read, write, close };
  std::string pending;  // what the kernel did not take; nothing is read meanwhile

  Wants on_readable(int fd) {
    const ssize_t n = recv(fd, hot_buffer, buffer_size, 0);
    if (n == 0) return Wants::close;
    if (n < 0) return errno == EAGAIN || errno == EINTR ? Wants::read : Wants::close;
    const auto size = static_cast<std::size_t>(n);
    upper(hot_buffer, size);
    const ssize_t sent = send(fd, hot_buffer, size, MSG_NOSIGNAL);
    if (sent == n) return Wants::read;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return Wants::close;
    pending.assign(hot_buffer + (sent < 0 ? 0 : sent), hot_buffer + size);
    return Wants::write;
  }

  Wants on_writable(int fd) {
    const ssize_t sent = send(fd, pending.data(), pending.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? Wants::write : Wants::close;
    pending.erase(0, static_cast<std::size_t>(sent));
    if (!pending.empty()) return Wants::write;
    pending = {};
    return Wants::read;
  }
};

}  // namespace bench
