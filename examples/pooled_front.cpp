// Passes each chunk to a server behind and its answer back, over a pool of connections per loop.
// pooled_front TARGET [ADDRESS [MODEL [ARCHITECTURE]]]
#include <polyio/client/connection_pool.hpp>
#include <polyio/io/per_io.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;

std::string target = "127.0.0.1:8080";

PerIo<ConnectionPool> pools([](Io& io) { return std::make_unique<ConnectionPool>(io, target); });

Task<> front(Io& io, Stream client) {
  for (;;) {
    auto question = co_await client.receive();
    if (!question || question->empty()) co_return;
    auto behind = co_await pools.of(io).acquire(deadline_after(io.now(), std::chrono::seconds(5)));
    if (!behind) co_return client.reset();
    auto sent = co_await behind->stream().send_all(question->bytes());
    auto answer = co_await behind->stream().receive();
    if (!sent || !answer || answer->empty()) {
      behind->discard();
      co_return client.reset();
    }
    auto back = co_await client.send_all(answer->bytes());
    if (!back) co_return;
  }
}

int main(int argc, char** argv) {
  if (argc > 1) target = argv[1];
  return serve({.listen = argc > 2 ? argv[2] : "127.0.0.1:8084",
                .model = argc > 3 ? argv[3] : "auto",
                .architecture = argc > 4 ? argv[4] : ""},
               front);
}
