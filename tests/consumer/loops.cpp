// A stranger's server: includes polyio's headers as installed and links libpolyio.a, without the
// protocols and what they need. It serves with a handler of its own under one model after the
// other, prints one line and ends.
#include <cstdio>
#include <memory>
#include <polyio/drivers/registry.hpp>
#include <polyio/serial/serial.hpp>
#include <polyio/server/server.hpp>

namespace {

polyio::Task<> echo(polyio::Io&, polyio::Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

// A server that is asked to stop as soon as it listens.
void serve_once(const char* model) {
  std::unique_ptr<polyio::Server> server;
  polyio::ServerOptions options{.model = model};  // warns of no member, with -Wextra either
  options.log = [](std::string_view) {};
  options.on_ready = [&](const polyio::Server&) { server->stop(); };
  server = std::make_unique<polyio::Server>(std::move(options), echo);
  server->run();
}

}  // namespace

int main() {
  const auto sent = polyio::serial::from_bytes<int>(polyio::serial::to_bytes(7));
  if (!sent || std::get<0>(*sent) != 7) return 1;
  serve_once("epoll");
  serve_once("auto");
  std::printf("polyio works here: %zu models\n", polyio::list_models().size());
}
