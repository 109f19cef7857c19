#include <array>
#include <cctype>
#include <polyio/os/socket.hpp>
#include <polyio/selectors.hpp>
#include <string>

using namespace polyio;

void answer(CallbackSelector& loop, os::UniqueFd& connection) {
  std::array<std::byte, 1024> bytes;
  auto size = os::receive(connection.get(), bytes);
  if (!size && size.error() == errno_code(EAGAIN)) return;
  if (size && *size > 0) {
    std::string reply;
    for (std::byte b : std::span(bytes).first(*size)) {
      reply += static_cast<char>(std::toupper(std::to_integer<int>(b)));
    }
    reply += "_SB";
    const iovec part{reply.data(), reply.size()};
    auto sent = os::send(connection.get(), std::span(&part, 1));
    if (sent && *sent == reply.size()) return;  // else: a peer that does not read is let go
  }
  (void)loop.unregister(connection.get());
  connection.reset();
}

int main() {
  auto listener = os::listen_stream(*os::Address::parse("127.0.0.1:8088"), 128, os::Blocking::no);
  if (!listener) return 1;
  CallbackSelector loop;
  auto accept = [&loop](int fd, Events) {
    auto connection = os::accept(fd, os::Blocking::no);
    if (!connection) return;  // gone again; out of fds would need a pause here
    const int number = connection->get();
    // The callback owns its connection.
    auto reply = [&loop, own = std::move(*connection)](int, Events) mutable { answer(loop, own); };
    (void)loop.register_fd(number, event_read, std::move(reply));
  };
  if (!loop.register_fd(listener->get(), event_read, accept)) return 1;
  while (loop.select()) {
  }
}
