// A group chat: a line goes to all clients, its sender included, as "[('127.0.0.1', 40000)] text";
// a client leaves by "quit" or by closing. Example: selectors_group_chat 3999
#include <array>
#include <iostream>
#include <map>
#include <polyio/os/socket.hpp>
#include <polyio/selectors.hpp>
#include <string>

using namespace polyio;

struct Member {
  os::UniqueFd socket;
  std::string name;  // as Python shows an address
  std::string unsent;
};

class Chat {
 public:
  void run(int listener) {
    (void)loop_.register_fd(listener, event_read, [this](int fd, Events) { enter(fd); });
    while (loop_.select()) {
    }
  }

 private:
  void enter(int listener) {
    auto socket = os::accept(listener, os::Blocking::no);
    if (!socket) return;  // gone again
    const int fd = socket->get();
    auto callback = [this](int ready, Events mask) {
      if (mask & event_write) send(ready);
      if (mask & event_read) listen_to(ready);
    };
    if (!loop_.register_fd(fd, event_read, callback)) return;
    const auto peer = os::peer_address(fd).value_or(os::Address());
    std::string name = "('" + peer.host() + "', " + std::to_string(peer.port()) + ")";
    members_[fd] = {std::move(*socket), std::move(name), ""};
  }

  void listen_to(int fd) {
    std::array<std::byte, 1024> bytes;
    auto size = os::receive(fd, bytes);
    if (!size && size.error() == errno_code(EAGAIN)) return;
    const std::string text(reinterpret_cast<const char*>(bytes.data()), size.value_or(0));
    if (text.empty() || text == "quit") {
      (void)loop_.unregister(fd);
      members_.erase(fd);
      return;
    }
    const std::string message = "[" + members_[fd].name + "] " + text;
    for (auto& [member, state] : members_) {
      if (state.unsent.size() > 1 << 20) continue;  // gets no more until it has read that
      state.unsent += message;
      send(member);
    }
  }

  void send(int fd) {
    std::string& unsent = members_[fd].unsent;
    const iovec rest{unsent.data(), unsent.size()};
    auto sent = os::send(fd, std::span(&rest, 1));
    const bool broken = !sent && sent.error() != errno_code(EAGAIN);  // listen_to() sees it as well
    unsent.erase(0, broken ? unsent.size() : sent.value_or(0));
    (void)loop_.modify(fd, unsent.empty() ? event_read : event_read | event_write);
  }

  CallbackSelector loop_;
  std::map<int, Member> members_;
};

int main(int argc, char** argv) {
  auto address = os::Address::parse(std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "3999"));
  if (!address) return 2;
  auto listener = os::listen_stream(*address, 128, os::Blocking::no);
  if (!listener) return 1;
  std::cout << "listening on " << os::local_address(listener->get())->text() << '\n' << std::flush;
  Chat().run(listener->get());
}
