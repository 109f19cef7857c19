// What the tests of room tls share: two ends of a connection with TLS, on each model that this
// machine has.
#pragma once

#include <polyio/tls/tls.hpp>

#include "certificates.hpp"
#include "exec/fixture.hpp"

namespace polyio::tls_test {

using namespace exec_test;

struct Pair {
  Stream client, server;
  Result<> connected, accepted;
  std::string why;
};

inline Authority& authority() {
  static Authority one;
  return one;
}
inline const Made& localhost() {
  static const Made made = authority().sign("localhost", "DNS:localhost,IP:127.0.0.1");
  return made;
}

// `count` bytes that say where they belong.
inline std::string pattern(std::size_t count, std::uint64_t seed = 1) {
  Random random(seed);
  std::string text(count, ' ');
  for (char& c : text) c = static_cast<char>(random.next() & 0xff);
  return text;
}

class TlsTest : public IoTest {
 protected:
  static tls::ServerContext server_context() { return tls::ServerContext(localhost().files); }
  static tls::ClientContext client_context() { return tls::ClientContext({authority().file()}); }

  // A plain connection.
  Task<> join(Pair& pair) {
    auto listener = io().listen(*os::Address::parse("127.0.0.1:0"), 16);
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&]() -> Task<> {
        auto stream = co_await io().connect(*listener->local_address());
        if (stream) pair.client = std::move(*stream);
      });
      auto stream = co_await listener->accept();
      if (stream) pair.server = std::move(*stream);
    };
    co_await with_task_group(io(), both);
    // A drain is of the server's Io, and these two share one.
    if (pair.server) pair.server.keep_in_drain();
  }
  // Runs both, and returns when both have ended.
  Task<> side_by_side(const std::function<Task<>()>& one, const std::function<Task<>()>& other) {
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(std::ref(one));
      co_await other();
    };
    co_await with_task_group(io(), both);
  }
  // The handshakes of both ends.
  Task<> shake(Pair& pair, tls::ServerContext server, tls::ClientContext client,
               std::string host = "localhost") {
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&]() -> Task<> {
        auto done = co_await tls::accept(pair.server, server);
        pair.accepted = done;
        if (!done) pair.server.close();
      });
      auto done =
          co_await tls::connect(pair.client, client, host, tls::handshake_patience, &pair.why);
      pair.connected = done;
      if (!done) pair.client.close();
    };
    co_await with_task_group(io(), both);
  }
  // Both, with the contexts above.
  Task<> meet(Pair& pair) {
    co_await join(pair);
    co_await shake(pair, server_context(), client_context());
    EXPECT_TRUE(pair.connected) << pair.connected.error().message() << pair.why;
    EXPECT_TRUE(pair.accepted) << pair.accepted.error().message();
  }
  // Up to `count` bytes, or less at the end or an error, which goes to `error`.
  static Task<std::string> read(Stream& stream, std::size_t count = SIZE_MAX,
                                std::error_code* error = nullptr) {
    std::string text;
    while (text.size() < count) {
      auto chunk = co_await stream.receive();
      if (!chunk && error) *error = chunk.error();
      if (!chunk || chunk->empty()) break;
      text += chunk->text();
    }
    co_return text;
  }
};

}  // namespace polyio::tls_test
