// Handshakes: which peers are let in, what is agreed on, and how each of them fails.
#include <polyio/sync/event.hpp>

#include "fixture.hpp"

namespace polyio::tls_test {
namespace {

class HandshakeTest : public TlsTest {
 protected:
  // A client that trusts the authority meets a server with that certificate.
  Task<> try_with(Pair& pair, const Made& made, std::string host = "localhost") {
    co_await join(pair);
    const tls::ServerContext server(made.files);
    co_await shake(pair, server, client_context(), std::move(host));
  }
};
POLYIO_ON_EVERY_MODEL(HandshakeTest);

// Where the model makes no difference.
class OneModelTest : public HandshakeTest {};
INSTANTIATE_TEST_SUITE_P(One, OneModelTest, testing::Values("poll"), test::model_name);

TEST_P(HandshakeTest, BytesThatWereReceivedBeforeCount) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await join(pair);
    const auto context = server_context();
    const auto serve = [&]() -> Task<> {
      auto first = co_await pair.server.receive();
      POLYIO_REQUIRE(first && !first->empty());
      EXPECT_EQ(first->text()[0], '\x16');
      auto done = co_await tls::accept(pair.server, context, first->text());
      EXPECT_TRUE(done);
      const auto text = co_await read(pair.server);
      EXPECT_EQ(text, "after that");
    };
    const auto ask = [&]() -> Task<> {
      auto done = co_await tls::connect(pair.client, client_context(), "localhost");
      EXPECT_TRUE(done);
      auto sent = co_await pair.client.send_all("after that");
      EXPECT_TRUE(sent);
      pair.client.close();
    };
    co_await side_by_side(serve, ask);
  };
  run(body);
}

TEST_P(HandshakeTest, PlainTextToATlsPort) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (const std::string_view text :
         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello\n", "\x16\x03\x01\x00\x05hello"}) {
      Pair pair;
      co_await join(pair);
      auto sent = co_await pair.client.send_all(text);
      EXPECT_TRUE(sent);
      EXPECT_TRUE(pair.client.shutdown_send());
      const auto context = server_context();
      auto done = co_await tls::accept(pair.server, context);
      EXPECT_FALSE(done);
      const bool record = text[0] == '\x16';
      if (!record) EXPECT_EQ(done.error(), tls::Errc::not_tls) << text;
      if (record) EXPECT_EQ(done.error().category(), tls::category());
      EXPECT_FALSE(tls::info(pair.server));
    }
  };
  run(body);
}

TEST_P(HandshakeTest, HalfAHandshakeHasADeadline) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await join(pair);
    auto sent = co_await pair.client.send_all("\x16\x03\x01");
    EXPECT_TRUE(sent);
    const auto context = server_context();
    auto done = co_await tls::accept(pair.server, context, {}, 10ms);
    EXPECT_TRUE(timed_out(done));
    auto silent = co_await tls::connect(pair.client, client_context(), "localhost", 10ms);
    EXPECT_TRUE(timed_out(silent));
  };
  run(body);
}

TEST_P(HandshakeTest, OneThatIsCancelledOrLeftEnds) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await join(pair);
    const auto context = server_context();
    Result<> done;
    auto wait = [&](TaskGroup& inner) -> Task<> {
      (void)inner.spawn([&]() -> Task<> {
        auto ended = co_await tls::accept(pair.server, context);
        done = ended;
      });
      co_await turns(3);
      inner.cancel();
    };
    co_await with_task_group(io(), wait);
    EXPECT_TRUE(cancelled(done));
    pair.client.close();
    auto left = co_await tls::accept(pair.server, context);
    EXPECT_EQ(left.error(), tls::Errc::truncated);
  };
  run(body);
}

// Many at once: all get through, and those that have are served meanwhile.
TEST_P(HandshakeTest, AFlood) {
  constexpr int many = 40;
  auto body = [&](TaskGroup&) -> Task<> {
    std::vector<Pair> pairs(many);
    for (Pair& pair : pairs) co_await join(pair);
    Pair served;
    co_await meet(served);
    const auto server = server_context();
    const auto client = client_context();
    int done = 0, done_at_answer = many;
    auto all = [&](TaskGroup& inner) -> Task<> {
      (void)inner.spawn([&]() -> Task<> {
        auto chunk = co_await served.server.receive();
        POLYIO_REQUIRE(chunk);
        (void)co_await served.server.send_all(chunk->bytes());
      });
      for (Pair& pair : pairs) {
        (void)inner.spawn([&]() -> Task<> {
          co_await shake(pair, server, client);
          EXPECT_TRUE(pair.accepted && pair.connected);
          ++done;
        });
      }
      auto sent = co_await served.client.send_all("hello");
      EXPECT_TRUE(sent);
      const auto answer = co_await read(served.client, 5);
      EXPECT_EQ(answer, "hello");
      done_at_answer = done;
    };
    co_await with_task_group(io(), all);
    EXPECT_EQ(done, many);
    if (!io().thread_per_job()) EXPECT_LT(done_at_answer, many);
    served.client.close();
  };
  run(body);
}

TEST_P(OneModelTest, TheHostNameMustBeTheCertificates) {
  auto body = [&](TaskGroup&) -> Task<> {
    const auto other = authority().sign("other", "DNS:other.example,DNS:www.other.example");
    for (const std::string host : {"localhost", "127.0.0.1"}) {
      Pair pair;
      co_await try_with(pair, localhost(), host);
      EXPECT_TRUE(pair.connected && pair.accepted);
      Pair wrong;
      co_await try_with(wrong, other, host);
      EXPECT_EQ(wrong.connected.error(), tls::Errc::wrong_host);
      EXPECT_EQ(wrong.why,
                "the certificate of " + host + " is for other.example, www.other.example");
      EXPECT_EQ(wrong.accepted.error(), tls::Errc::refused_by_peer);
    }
  };
  run(body);
}

TEST_P(OneModelTest, DatesAndAuthorities) {
  constexpr long hour = 3600;
  const auto hosts = "DNS:localhost";
  auto& ca = authority();
  Authority stranger("Stranger");
  struct Case {
    Made made;
    tls::Errc error;
    std::string why;
  };
  std::vector<Case> cases;
  cases.push_back({ca.sign("old", hosts, -9 * hour, -hour), tls::Errc::expired, "expired on 2"});
  cases.push_back(
      {ca.sign("new", hosts, hour, 9 * hour), tls::Errc::not_yet_valid, "is not valid before 2"});
  cases.push_back({ca.signed_by_itself("self", hosts), tls::Errc::unknown_authority,
                   "is signed by itself, not by an authority"});
  cases.push_back({stranger.sign("x", hosts), tls::Errc::unknown_authority,
                   "was signed by an authority that is not known here"});
  auto body = [&](TaskGroup&) -> Task<> {
    for (const Case& one : cases) {
      Pair pair;
      co_await try_with(pair, one.made);
      EXPECT_EQ(pair.connected.error(), one.error);
      EXPECT_TRUE(pair.why.starts_with("the certificate of localhost " + one.why)) << pair.why;
      Pair trusting;
      co_await join(trusting);
      const tls::ServerContext server(one.made.files);
      const tls::ClientContext anybody({.trust_anybody = true});
      co_await shake(trusting, server, anybody);
      EXPECT_TRUE(trusting.connected && trusting.accepted) << trusting.why;
    }
    Pair system;  // whose authorities don't know ours
    co_await join(system);
    co_await shake(system, server_context(), tls::ClientContext());
    EXPECT_EQ(system.connected.error(), tls::Errc::unknown_authority);
  };
  run(body);
}

TEST_P(OneModelTest, TheCertificateForTheNameThatIsAskedFor) {
  const auto one = authority().sign("one", "DNS:one.example"),
             two = authority().sign("two", "DNS:*.two.example,DNS:two.example");
  const tls::ServerContext server({{localhost().files, one.files, two.files}});
  auto body = [&](TaskGroup&) -> Task<> {
    for (const auto& [host, peer] :
         {std::pair("one.example", "one"), std::pair("two.example", "two"),
          std::pair("www.two.example", "two"), std::pair("127.0.0.1", "localhost")}) {
      Pair pair;
      co_await join(pair);
      co_await shake(pair, server, client_context(), host);
      POLYIO_REQUIRE(pair.connected && pair.accepted);
      EXPECT_EQ(tls::info(pair.client)->peer, std::string("CN = ") + peer);
      EXPECT_EQ(tls::info(pair.server)->host, host == std::string("127.0.0.1") ? "" : host);
    }
  };
  run(body);
}

TEST_P(OneModelTest, Protocols) {
  const tls::ServerContext server({{localhost().files}, {"chat", "http/1.1"}});
  auto body = [&](TaskGroup&) -> Task<> {
    const auto ask = [&](Pair& pair, std::vector<std::string> protocols) -> Task<> {
      co_await join(pair);
      const tls::ClientContext client({authority().file(), std::move(protocols)});
      co_await shake(pair, server, client);
    };
    Pair both, none, other;
    std::vector<std::string> asked{"http/1.1", "chat"};
    co_await ask(both, asked);
    POLYIO_REQUIRE(both.connected && both.accepted);
    EXPECT_EQ(tls::info(both.client)->protocol, "chat");  // the server's favourite
    EXPECT_EQ(tls::info(both.server)->protocol, "chat");
    asked.clear();
    co_await ask(none, asked);
    POLYIO_REQUIRE(none.connected && none.accepted);
    EXPECT_EQ(tls::info(none.server)->protocol, "");
    asked = {"h2"};
    co_await ask(other, asked);
    EXPECT_EQ(other.accepted.error(), tls::Errc::no_common_protocol);
    EXPECT_EQ(other.connected.error(), tls::Errc::refused_by_peer);
  };
  run(body);
}

TEST_P(OneModelTest, ReloadIsForNewHandshakes) {
  Authority ca;
  auto made = ca.sign("before", "DNS:localhost");
  const auto next = ca.sign("after", "DNS:localhost");
  tls::ServerContext server(made.files);
  const auto copy = server;
  const tls::ClientContext client({ca.file()});
  auto body = [&](TaskGroup&) -> Task<> {
    Pair before, after;
    co_await join(before);
    co_await shake(before, copy, client);
    std::filesystem::copy_file(next.files.chain, made.files.chain,
                               std::filesystem::copy_options::overwrite_existing);
    const auto half = server.reload();  // the key is still the old one
    EXPECT_TRUE(!half && half.error().contains("does not belong to the certificate"));
    std::filesystem::copy_file(next.files.key, made.files.key,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(server.reload());
    co_await join(after);
    co_await shake(after, copy, client);
    POLYIO_REQUIRE(before.connected && after.connected);
    EXPECT_EQ(tls::info(before.client)->peer, "CN = before");
    EXPECT_EQ(tls::info(after.client)->peer, "CN = after");
    auto sent = co_await before.client.send_all("still there");
    EXPECT_TRUE(sent);
    const auto text = co_await read(before.server, 11);
    EXPECT_EQ(text, "still there");
  };
  run(body);
}

}  // namespace
}  // namespace polyio::tls_test
