// The limit of every select server: 1,023 descriptors at most, further connections are refused.
#include <sys/select.h>

#include <algorithm>
#include <array>

#include "common.hpp"

int main(int argc, char** argv) {
  using bench::Upper;
  const int listener = bench::listen_here(argc, argv, "hand-written select, echo");
  std::array<Upper, FD_SETSIZE> connections;
  fd_set reading, writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(listener, &reading);
  int highest = listener;
  for (;;) {
    fd_set readable = reading, writable = writing;
    int left = select(highest + 1, &readable, &writable, nullptr, nullptr);
    if (FD_ISSET(listener, &readable)) {
      --left;
      for (int fd; (fd = bench::accept_one(listener)) >= 0;) {
        if (fd >= FD_SETSIZE) {
          close(fd);
          continue;
        }
        FD_SET(fd, &reading);
        highest = std::max(highest, fd);
      }
    }
    for (int fd = listener + 1; left > 0 && fd <= highest; ++fd) {
      const bool can_write = FD_ISSET(fd, &writable);
      if (!can_write && !FD_ISSET(fd, &readable)) continue;
      --left;
      Upper& connection = connections[static_cast<std::size_t>(fd)];
      const auto wants = can_write ? connection.on_writable(fd) : connection.on_readable(fd);
      FD_CLR(fd, &reading);
      FD_CLR(fd, &writing);
      if (wants == Upper::Wants::close) {
        connection = {};
        close(fd);
      } else {
        FD_SET(fd, wants == Upper::Wants::write ? &writing : &reading);
      }
    }
  }
}
