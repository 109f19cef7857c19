// Answers what it receives in capitals, and "_SB". Example: selectors_upper_sb 8088
#include <array>
#include <cctype>
#include <iostream>
#include <map>
#include <polyio/os/socket.hpp>
#include <polyio/selectors.hpp>
#include <string>

using namespace polyio;

struct Connection {
  os::UniqueFd socket;
  std::string unsent;
};

class Server {
 public:
  void run(int listener) {
    (void)loop_.register_fd(listener, event_read, [this](int fd, Events) { accept(fd); });
    while (loop_.select()) {
    }
  }

 private:
  void accept(int listener) {
    auto socket = os::accept(listener, os::Blocking::no);
    if (!socket) return;  // gone again
    const int fd = socket->get();
    if (loop_.register_fd(fd, event_read, [this](int ready, Events) { serve(ready); })) {
      connections_[fd].socket = std::move(*socket);
    }
  }

  void serve(int fd) {
    Connection& connection = connections_[fd];
    if (connection.unsent.empty()) {
      std::array<std::byte, 1024> bytes;
      auto size = os::receive(fd, bytes);
      if (!size && size.error() == errno_code(EAGAIN)) return;
      if (!size || *size == 0) return leave(fd);  // it broke, or has ended
      for (std::byte b : std::span(bytes).first(*size)) {
        connection.unsent += static_cast<char>(std::toupper(std::to_integer<int>(b)));
      }
      connection.unsent += "_SB";
    }
    const iovec rest{connection.unsent.data(), connection.unsent.size()};
    auto sent = os::send(fd, std::span(&rest, 1));
    if (!sent && sent.error() != errno_code(EAGAIN)) return leave(fd);
    connection.unsent.erase(0, sent.value_or(0));
    // A peer that doesn't read isn't read from either: at most one answer waits.
    (void)loop_.modify(fd, connection.unsent.empty() ? event_read : event_write);
  }

  void leave(int fd) {
    (void)loop_.unregister(fd);
    connections_.erase(fd);
  }

  CallbackSelector loop_;
  std::map<int, Connection> connections_;
};

int main(int argc, char** argv) {
  auto address = os::Address::parse(std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "8088"));
  if (!address) return 2;
  auto listener = os::listen_stream(*address, 128, os::Blocking::no);
  if (!listener) return 1;
  std::cout << "listening on " << os::local_address(listener->get())->text() << '\n' << std::flush;
  Server().run(listener->get());
}
