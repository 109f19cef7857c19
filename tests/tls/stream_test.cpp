// A Stream that carries TLS keeps Stream's contract, under every model.
#include "fixture.hpp"

namespace polyio::tls_test {
namespace {

class StreamTest : public TlsTest {};
POLYIO_ON_EVERY_MODEL(StreamTest);

TEST_P(StreamTest, WordsGoBothWays) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    auto asked = co_await pair.client.send_all("hello");
    EXPECT_TRUE(asked);
    auto chunk = co_await pair.server.receive();
    POLYIO_REQUIRE(chunk);
    EXPECT_EQ(chunk->text(), "hello");
    for (std::byte& byte : chunk->bytes()) byte &= std::byte{0xdf};  // in place
    auto answered = co_await pair.server.send_all(chunk->bytes());
    EXPECT_TRUE(answered);
    const auto answer = co_await read(pair.client, 5);
    EXPECT_EQ(answer, "HELLO");
    const auto info = tls::info(pair.client);
    POLYIO_REQUIRE(info);
    EXPECT_EQ(info->version, "TLSv1.3");
    EXPECT_EQ(info->host, "localhost");
    EXPECT_EQ(info->peer, "CN = localhost");
    EXPECT_EQ(io().driver().leases().large, 1u);  // the lease in hand
    *chunk = Lease();
    EXPECT_EQ(io().driver().leases().large, 0u);
  };
  run(body);
}

// More than all buffers hold, so each side must read while it writes.
TEST_P(StreamTest, MuchBothWaysAtOnce) {
  constexpr std::size_t much = 6'000'000;
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair pair;
    co_await meet(pair);
    const auto there = pattern(much, 1), back = pattern(much, 2);
    auto all = [&](TaskGroup& inner) -> Task<> {
      const auto send = [](Stream& stream, const std::string& bytes) -> Task<> {
        auto sent = co_await stream.send_all(bytes);
        EXPECT_TRUE(sent);
        EXPECT_TRUE(stream.shutdown_send());
      };
      (void)inner.spawn(send, pair.client, there);
      (void)inner.spawn(send, pair.server, back);
      (void)inner.spawn([&]() -> Task<> {
        std::error_code broke;
        const auto got = co_await read(pair.server, SIZE_MAX, &broke);
        EXPECT_FALSE(broke) << broke.message();
        EXPECT_EQ(got.size(), there.size());
        EXPECT_TRUE(got == there);
      });
      const auto got = co_await read(pair.client);
      EXPECT_TRUE(got == back);
    };
    co_await with_task_group(io(), all);
    (void)group;
  };
  run(body);
}

}  // namespace
}  // namespace polyio::tls_test
