// Answers with the sender's address and what it has sent: "('127.0.0.1', 40000)-text". Example:
// selectors_peer_text 3999
#include <array>
#include <iostream>
#include <map>
#include <polyio/os/socket.hpp>
#include <polyio/selectors.hpp>
#include <string>

using namespace polyio;

struct Connection {
  os::UniqueFd socket;
  std::string name;  // as Python shows an address
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
      const auto peer = os::peer_address(fd).value_or(os::Address());
      const std::string name = "('" + peer.host() + "', " + std::to_string(peer.port()) + ")";
      connections_[fd] = {std::move(*socket), name, ""};
    }
  }

  void serve(int fd) {
    Connection& connection = connections_[fd];
    if (connection.unsent.empty()) {
      std::array<std::byte, 1024> bytes;
      auto size = os::receive(fd, bytes);
      if (!size && size.error() == errno_code(EAGAIN)) return;
      if (!size || *size == 0) return leave(fd);  // it broke, or has ended
      connection.unsent = connection.name + '-';
      connection.unsent.append(reinterpret_cast<const char*>(bytes.data()), *size);
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
  auto address = os::Address::parse(std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "3999"));
  if (!address) return 2;
  auto listener = os::listen_stream(*address, 128, os::Blocking::no);
  if (!listener) return 1;
  std::cout << "listening on " << os::local_address(listener->get())->text() << '\n' << std::flush;
  Server().run(listener->get());
}
