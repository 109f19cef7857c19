#include <polyio/server/server.hpp>

using namespace polyio;

Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();  // Result<Lease>; empty: the peer has finished
    if (!chunk || chunk->empty()) co_return;
    for (std::byte& b : chunk->bytes()) {
      const bool small = b >= std::byte{'a'} && b <= std::byte{'z'};
      b ^= small ? std::byte{0x20} : std::byte{0};  // no branch, so that it vectorises
    }
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:8080",
                .model = argc > 2 ? argv[2] : "auto",
                .architecture = argc > 3 ? argv[3] : ""},
               upper);
}
