// The load of bench/tls: connections with TLS to an echo server on 127.x, on one loop.
// tls_load MODE PORT CA CONNECTIONS COUNT BYTES: `handshakes`: connects COUNT times, CONNECTIONS at
// once; `echo`: sends BYTES and receives them, COUNT times in all, over CONNECTIONS. Prints
// seconds.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/tls/tls.hpp>
#include <stdexcept>

using namespace polyio;

namespace {

struct Load {
  bool handshakes;
  os::Address server;
  tls::ClientContext context;
  long left;
  std::size_t bytes;
  TimePoint began{};
  long joining = 0;
};

Task<Stream> join(Io& io, Load& load) {
  auto stream = co_await io.connect(load.server);
  if (!stream) throw std::system_error(stream.error());
  auto secured = co_await tls::connect(*stream, load.context, "localhost");
  if (!secured) throw std::system_error(secured.error());
  co_return std::move(*stream);
}

Task<> shake(Io& io, Load& load) {
  while (load.left-- > 0) {
    Stream stream = co_await join(io, load);
    (void)co_await stream.finish();
  }
}

// A piece is answered while it is sent, so the two go on at once.
Task<> send(Stream& stream, const std::string& piece) {
  auto sent = co_await stream.send_all(piece);
  if (!sent) throw std::system_error(sent.error());
}

Task<> echo(Io& io, Load& load) {
  Stream stream = co_await join(io, load);
  if (--load.joining == 0) load.began = monotonic_now();
  while (load.joining > 0) (void)co_await io.yield();
  const std::string piece(load.bytes, 'X');
  while (load.left-- > 0) {
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(send, stream, piece);
      for (std::size_t got = 0; got < load.bytes;) {
        auto chunk = co_await stream.receive();
        if (!chunk || chunk->empty()) throw std::runtime_error("the server went away");
        got += chunk->size();
      }
    };
    co_await with_task_group(io, both);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 7) throw std::invalid_argument("tls_load MODE PORT CA CONNECTIONS COUNT BYTES");
  Io io(make_driver("epoll").value());
  const long connections = std::atol(argv[4]);
  Load load{std::string_view(argv[1]) == "handshakes",
            os::Address::parse(fmt::format("127.0.0.1:{}", argv[2])).value(),
            tls::ClientContext({.authorities = argv[3]}), std::atol(argv[5]),
            std::strtoul(argv[6], nullptr, 10)};
  load.joining = connections;
  load.began = monotonic_now();
  auto all = [&](TaskGroup& group) -> Task<> {
    for (long i = 0; i < connections; ++i) {
      (void)group.spawn(load.handshakes ? shake : echo, io, load);
    }
    co_return;
  };
  io.run(with_task_group(io, all));
  const std::chrono::duration<double> span = monotonic_now() - load.began;
  fmt::print("{}\n", span.count());
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "tls_load: {}\n", error.what());
  return 1;
}
