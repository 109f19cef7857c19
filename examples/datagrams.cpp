#include <polyio/server/datagram_server.hpp>
#include <vector>

using namespace polyio;

// Answers each datagram with its own bytes and how many there have been. One handler serves all,
// for a datagram socket has no connections.
Task<> count_datagrams(Io&, Datagram socket) {
  std::vector<std::byte> room(1'500);
  for (int count = 1;; ++count) {
    auto got = co_await socket.receive_from(room);  // Result<Received>: size, from, truncated()
    if (!got) co_return;                            // the server stops
    const std::string text(reinterpret_cast<const char*>(room.data()), got->size);
    const std::string answer = text + " " + std::to_string(count);
    (void)co_await socket.send_to(answer, got->from, got->to);  // it may get lost
  }
}

int main(int argc, char** argv) {
  return serve_datagrams({.listen = argc > 1 ? argv[1] : "127.0.0.1:8083"}, count_datagrams);
}
