// One server with two doors: the public one answers in capitals, the other says how busy it is.
// two_doors [ADDRESS [ADMIN-ADDRESS [MODEL [ARCHITECTURE]]]]; fd:web for one from systemd
#include <polyio/server/server.hpp>

using namespace polyio;

const Server* the_server = nullptr;

Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    for (std::byte& b : chunk->bytes()) {
      if (b >= std::byte{'a'} && b <= std::byte{'z'}) b ^= std::byte{0x20};
    }
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

Task<> admin(Io&, Stream stream) {
  const ServerStatistics now = the_server->statistics();
  const std::string text =
      "accepted " + std::to_string(now.accepted) + ", active " + std::to_string(now.active) + "\n";
  auto sent = co_await stream.send_all(text);
  (void)sent;
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:8080",
                .also = {{.listen = argc > 2 ? argv[2] : "127.0.0.1:8081", .handler = admin}},
                .model = argc > 3 ? argv[3] : "auto",
                .architecture = argc > 4 ? argv[4] : "",
                .on_ready =
                    [](const Server& server) {
                      the_server = &server;
                      std::puts(server.ready_line().c_str());
                      std::fflush(stdout);
                    }},
               upper);
}
