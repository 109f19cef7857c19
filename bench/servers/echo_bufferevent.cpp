// libevent, bufferevents: what was read is moved to the output without a copy.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "common.hpp"

namespace {

void on_read(bufferevent* stream, void*) {
  evbuffer* input = bufferevent_get_input(stream);
  while (const std::size_t size = evbuffer_get_contiguous_space(input)) {
    bench::upper(reinterpret_cast<char*>(evbuffer_pullup(input, static_cast<ssize_t>(size))), size);
    evbuffer_remove_buffer(input, bufferevent_get_output(stream), size);
  }
}

void on_event(bufferevent* stream, short what, void*) {
  if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) bufferevent_free(stream);
}

void on_connection(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  bufferevent* stream =
      bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(stream, on_read, nullptr, on_event, nullptr);
  bufferevent_enable(stream, EV_READ | EV_WRITE);
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::listen_here(argc, argv, "libevent bufferevent, echo");
  event_base* base = event_base_new();
  if (evconnlistener_new(base, on_connection, nullptr, 0, 0, fd) == nullptr) return 1;
  return event_base_dispatch(base);
}
