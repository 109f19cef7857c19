// libev: recv and send are ours, libev waits.
#include <ev.h>

#include "common.hpp"

namespace {

struct Connection {
  ev_io watcher;
  bench::Upper upper;
};

void on_ready(struct ev_loop* loop, ev_io* watcher, int events) {
  auto* connection = static_cast<Connection*>(watcher->data);
  const int fd = watcher->fd;
  const auto wants = (events & EV_WRITE) != 0 ? connection->upper.on_writable(fd)
                                              : connection->upper.on_readable(fd);
  if (wants == bench::Upper::Wants::close) {
    ev_io_stop(loop, watcher);
    delete connection;
    close(fd);
    return;
  }
  const int wanted = wants == bench::Upper::Wants::write ? EV_WRITE : EV_READ;
  if ((events & wanted) != 0) return;
  ev_io_stop(loop, watcher);
  ev_io_set(watcher, fd, wanted);
  ev_io_start(loop, watcher);
}

void on_connections(struct ev_loop* loop, ev_io* listener, int) {
  for (int fd; (fd = bench::accept_one(listener->fd)) >= 0;) {
    auto* connection = new Connection;
    ev_io_init(&connection->watcher, on_ready, fd, EV_READ);
    connection->watcher.data = connection;
    ev_io_start(loop, &connection->watcher);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::listen_here(argc, argv, "libev, echo");
  struct ev_loop* loop = ev_default_loop(0);
  ev_io listener;
  ev_io_init(&listener, on_connections, fd, EV_READ);
  ev_io_start(loop, &listener);
  return ev_run(loop, 0);
}
