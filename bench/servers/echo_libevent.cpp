// libevent, raw events: recv and send are ours, libevent waits.
#include <event2/event.h>

#include "common.hpp"

namespace {

struct Connection {
  bench::Upper upper;
  event* reading = nullptr;
  event* writing = nullptr;
};

void destroy(Connection* connection, int fd) {
  event_free(connection->reading);
  event_free(connection->writing);
  delete connection;
  close(fd);
}

void on_readable(evutil_socket_t fd, short, void* argument) {
  auto* connection = static_cast<Connection*>(argument);
  const auto wants = connection->upper.on_readable(fd);
  if (wants == bench::Upper::Wants::close) return destroy(connection, fd);
  if (wants == bench::Upper::Wants::read) return;
  event_del(connection->reading);
  event_add(connection->writing, nullptr);
}

void on_writable(evutil_socket_t fd, short, void* argument) {
  auto* connection = static_cast<Connection*>(argument);
  const auto wants = connection->upper.on_writable(fd);
  if (wants == bench::Upper::Wants::close) return destroy(connection, fd);
  if (wants == bench::Upper::Wants::write) return;
  event_del(connection->writing);
  event_add(connection->reading, nullptr);
}

void on_connections(evutil_socket_t listener, short, void* argument) {
  auto* base = static_cast<event_base*>(argument);
  for (int fd; (fd = bench::accept_one(listener)) >= 0;) {
    auto* connection = new Connection;
    connection->reading = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writing = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    event_add(connection->reading, nullptr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int listener = bench::listen_here(argc, argv, "libevent, echo");
  event_base* base = event_base_new();
  event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connections, base), nullptr);
  return event_base_dispatch(base);
}
