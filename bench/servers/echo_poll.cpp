// The limit of every poll server.
#include <poll.h>

#include <vector>

#include "common.hpp"

int main(int argc, char** argv) {
  using bench::Upper;
  const int listener = bench::listen_here(argc, argv, "hand-written poll, echo");
  std::vector<pollfd> fds{{listener, POLLIN, 0}};
  std::vector<Upper> connections(65536);  // by descriptor
  for (;;) {
    int left = poll(fds.data(), fds.size(), -1);
    const bool arrived = fds[0].revents != 0;
    if (arrived) --left;
    for (std::size_t i = 1; left > 0 && i < fds.size();) {
      const int fd = fds[i].fd;
      if (fds[i].revents == 0) {
        ++i;
        continue;
      }
      --left;
      Upper& connection = connections[static_cast<std::size_t>(fd)];
      const auto wants =
          connection.pending.empty() ? connection.on_readable(fd) : connection.on_writable(fd);
      if (wants == Upper::Wants::close) {
        connection = {};
        close(fd);
        fds[i] = fds.back();  // which is looked at next
        fds.pop_back();
        continue;
      }
      fds[i++].events = wants == Upper::Wants::write ? POLLOUT : POLLIN;
    }
    if (!arrived) continue;
    for (int fd; (fd = bench::accept_one(listener)) >= 0;) fds.push_back({fd, POLLIN, 0});
  }
}
