// The limit of every epoll server: level-triggered, one recv and one send per message, the interest
// changed only when the kernel's send buffer is full.
#include <sys/epoll.h>

#include <vector>

#include "common.hpp"

namespace {

using bench::Upper;

struct Loop {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Upper> connections = std::vector<Upper>(65536);  // by descriptor

  void control(int operation, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll, operation, fd, &event) != 0) bench::die("epoll_ctl");
  }

  void accept_all(int listener) {
    for (int fd; (fd = bench::accept_one(listener)) >= 0;) control(EPOLL_CTL_ADD, fd, EPOLLIN);
  }

  void step(int fd) {
    Upper& connection = connections[static_cast<std::size_t>(fd)];
    const bool writing = !connection.pending.empty();
    const auto wants = writing ? connection.on_writable(fd) : connection.on_readable(fd);
    if (wants == Upper::Wants::close) {
      connection = {};
      close(fd);
    } else if (writing != (wants == Upper::Wants::write)) {
      control(EPOLL_CTL_MOD, fd, writing ? EPOLLIN : EPOLLOUT);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const int listener = bench::listen_here(argc, argv, "hand-written epoll, echo");
  Loop loop;
  loop.control(EPOLL_CTL_ADD, listener, EPOLLIN);
  epoll_event events[512];
  bench::Spin spin(argc, argv);
  for (int count = 0;;) {
    count = epoll_wait(loop.epoll, events, 512, spin.again(count > 0) ? 0 : -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == listener) {
        loop.accept_all(listener);
      } else {
        loop.step(events[i].data.fd);
      }
    }
  }
}
