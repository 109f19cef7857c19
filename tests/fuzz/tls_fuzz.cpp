// TLS at its record boundaries, over the simulated network: a server meets bytes that are no
// handshake; or a client with a true one, whose records the input cuts anywhere, and changes or
// follows up with bytes of its own. Whatever comes, the server receives a beginning of what was
// sent, says that it is the end only after close_notify, and nothing is left behind.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <polyio/base/random.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/sim/sim.hpp>
#include <polyio/tls/tls.hpp>

#include "tls/certificates.hpp"

namespace polyio::tls_test {
namespace {

void require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

struct Contexts {
  Authority authority;
  tls::ServerContext server{authority.sign("x", "DNS:localhost").files};
  tls::ClientContext client{{.authorities = authority.file()}};
};
Contexts& contexts() {
  static Contexts all;
  return all;
}

struct Ends {
  Stream client, server;
  std::string_view input;
  std::string sent, received;
  bool orderly = false, tampered = false, ended = false;
};

Task<> serve(Ends& ends) {
  auto done = co_await tls::accept(ends.server, contexts().server);
  while (done) {
    auto chunk = co_await ends.server.receive();
    if (!chunk) break;
    ends.ended = chunk->empty();
    if (ends.ended) break;
    ends.received += chunk->text();
  }
  ends.server.close();
}

// The input's first byte says what the client does, the others what it says.
Task<> talk(Ends& ends) {
  const unsigned mode = static_cast<unsigned char>(ends.input[0]);
  const std::string_view bytes = ends.input.substr(1);
  const BareSocket raw = ends.client.bare();
  if (mode % 4 > 0) {
    auto done = co_await tls::connect(ends.client, contexts().client, "localhost");
    if (!done) co_return;
    for (std::string_view rest = bytes; !rest.empty();) {
      const auto size = 1 + static_cast<unsigned char>(rest[0]) * (mode % 16);
      const auto piece = rest.substr(0, size);
      ends.sent += piece;
      auto sent = co_await ends.client.send_all(piece);
      if (!sent) co_return;
      rest.remove_prefix(piece.size());
    }
  }
  if (mode % 4 == 1) co_return;  // closed in order
  ends.tampered = true;
  auto sent = co_await raw.send_all(std::as_bytes(std::span(bytes)));
  if (sent) ends.client.reset();
}

Task<> run(Io& io, Ends& ends) {
  auto listener = io.listen(*os::Address::parse("10.0.0.1:443"), 1);
  const auto address = *listener->local_address();
  auto join = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn([&]() -> Task<> {
      auto stream = co_await io.connect(address);
      if (stream) ends.client = std::move(*stream);
    });
    auto stream = co_await listener->accept();
    if (stream) ends.server = std::move(*stream);
  };
  co_await with_task_group(io, join);
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(serve, ends);
    co_await talk(ends);
    ends.client.close();
  };
  co_await with_task_group(io, both);
}

}  // namespace
}  // namespace polyio::tls_test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::tls_test;
  if (size < 2) return 0;
  polyio::SimOptions options;
  options.seed = data[size - 1];
  options.segment_max = 1 + data[size - 1] * 16u;
  auto driver = std::make_unique<polyio::SimDriver>(options);
  const auto observer = driver->another();
  polyio::Io io(std::move(driver));
  Ends ends;
  ends.input = {reinterpret_cast<const char*>(data), std::min<std::size_t>(size - 1, 4096)};
  io.run(run(io, ends));
  require(ends.sent.starts_with(ends.received), "what is received was sent");
  if (ends.tampered) require(!ends.ended, "a cut connection has no end of file");
  if (!ends.tampered) require(ends.ended && ends.received == ends.sent, "all arrives, and the end");
  require(io.jobs() == 0 && io.timers() == 0 && observer->open_handles() == 0, "nothing is left");
  return 0;
}
