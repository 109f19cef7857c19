// A Stream that carries TLS keeps Stream's contract, under every model.
#include <polyio/sync/event.hpp>
#include <set>

#include "fixture.hpp"

namespace polyio::tls_test {
namespace {

class StreamTest : public TlsTest {
 protected:
  static Task<> send_to_end(Stream& stream, std::string_view bytes) {
    auto sent = co_await stream.send_all(bytes);
    EXPECT_TRUE(sent);
    EXPECT_TRUE(stream.shutdown_send());
  }
  // One receive, in a task of its own.
  static Task<> receive_once(Stream& stream, Result<Lease>& into) {
    auto got = co_await stream.receive();
    into = std::move(got);
  }
};
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
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    const auto there = pattern(much, 1), back = pattern(much, 2);
    auto all = [&](TaskGroup& inner) -> Task<> {
      (void)inner.spawn(send_to_end, pair.client, there);
      (void)inner.spawn(send_to_end, pair.server, back);
      (void)inner.spawn([&]() -> Task<> {
        const auto got = co_await read(pair.server);
        EXPECT_TRUE(got == there);
      });
      const auto got = co_await read(pair.client);
      EXPECT_TRUE(got == back);
    };
    co_await with_task_group(io(), all);
    EXPECT_EQ(io().driver().leases().large, 0u);
  };
  run(body);
}

// Parts of all sizes around a record's, and none; read into rooms of all sizes.
TEST_P(StreamTest, PartsAndRoomsOfAllSizes) {
  const auto bytes = pattern(120'000);
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    const auto send = [&]() -> Task<> {
      std::string_view rest = bytes;
      std::vector<Part> parts;
      for (const std::size_t size : {0u, 1u, 100u, 16'383u, 16'384u, 16'385u, 0u, 40'000u, 3u}) {
        parts.emplace_back(rest.substr(0, size));
        rest.remove_prefix(size);
      }
      auto none = co_await pair.client.send_all(std::span<const Part>());
      EXPECT_TRUE(none);
      auto sent = co_await pair.client.send_all(std::span<const Part>(parts));
      EXPECT_TRUE(sent);
      co_await send_to_end(pair.client, rest);
      auto late = co_await pair.client.send_all("after the end");
      EXPECT_TRUE(failed_with(late, std::errc::broken_pipe));
    };
    const auto receive = [&]() -> Task<> {
      std::string got;
      Random random(3);
      for (std::vector<std::byte> room(20'000);;) {
        auto none = co_await pair.server.receive_into({});
        EXPECT_EQ(none, 0u);
        const auto some = std::span(room).first(1 + random.below(random.chance(1, 2) ? 9 : 20'000));
        auto count = co_await pair.server.receive_into(some);
        if (count.value_or(0) == 0) break;
        got.append(reinterpret_cast<const char*>(some.data()), *count);
      }
      EXPECT_TRUE(got == bytes);
    };
    co_await side_by_side(send, receive);
  };
  run(body);
}

TEST_P(StreamTest, AnEndWithoutCloseNotifyIsNoEndOfFile) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (const bool orderly : {true, false}) {
      Pair pair;
      co_await meet(pair);
      auto sent = co_await pair.client.send_all("the beginning");
      EXPECT_TRUE(sent);
      if (orderly) {
        pair.client.close();
      } else {
        EXPECT_TRUE(io().driver().shutdown(pair.client.bare().handle(), SHUT_WR));
      }
      std::error_code error;
      const auto text = co_await read(pair.server, SIZE_MAX, &error);
      EXPECT_EQ(text, "the beginning");
      EXPECT_EQ(error, orderly ? std::error_code() : tls::Errc::truncated);
      auto again = co_await pair.server.receive();
      EXPECT_EQ(again.has_value(), orderly);
    }
  };
  run(body);
}

TEST_P(StreamTest, FinishEndsBothSides) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    const auto listen = [&]() -> Task<> {
      const auto text = co_await read(pair.server);
      EXPECT_EQ(text, "last words");
      pair.server.close();
    };
    const auto speak = [&]() -> Task<> {
      auto sent = co_await pair.client.send_all("last words");
      EXPECT_TRUE(sent);
      auto finished = co_await pair.client.finish();
      EXPECT_TRUE(finished) << finished.error().message();
    };
    co_await side_by_side(listen, speak);
  };
  run(body);
}

// Its last bytes and the end of TLS find the socket full, and nothing of the stream is left that
// could wait: they are sent all the same, also where a receive waits meanwhile.
TEST_P(StreamTest, WhatWasSentArrivesThoughTheStreamIsGone) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (const bool keeps_stream : {false, true}) {
      Pair pair;
      co_await meet(pair);
      const auto much = pattern(5'000'000);
      const auto send = [&]() -> Task<> {
        Stream mine = std::move(pair.client);
        auto sent = co_await mine.send_all(much);
        EXPECT_TRUE(sent);
        if (!keeps_stream) co_return;
        EXPECT_TRUE(mine.shutdown_send());
        auto end = co_await mine.receive();
        EXPECT_TRUE(end && end->empty());
      };
      const auto receive = [&]() -> Task<> {
        std::error_code error;
        const auto got = co_await read(pair.server, SIZE_MAX, &error);
        EXPECT_TRUE(got == much);
        EXPECT_FALSE(error) << error.message();
        pair.server.close();
      };
      co_await side_by_side(send, receive);
    }
  };
  run(body);
}

// A send that is cancelled has cut a record: nothing more can be said, and the peer sees that.
TEST_P(StreamTest, ACancelledSendEndsTheSending) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    const auto much = pattern(20'000'000);
    {
      CancelScope moment(io(), 20ms);
      auto sent = co_await pair.client.send_all(much);
      EXPECT_TRUE(timed_out(sent));
    }
    auto more = co_await pair.client.send_all("more");
    EXPECT_TRUE(failed_with(more, std::errc::broken_pipe));
    EXPECT_TRUE(failed_with(pair.client.shutdown_send(), std::errc::broken_pipe));
    pair.client.close();
    std::error_code error;
    const auto got = co_await read(pair.server, SIZE_MAX, &error);
    EXPECT_TRUE(got.size() < much.size() && much.starts_with(got));
    EXPECT_EQ(error, tls::Errc::truncated);
  };
  run(body);
}

TEST_P(StreamTest, ACancelledReceiveLosesNothing) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    for (int i = 0; i < 3; ++i) {
      Result<Lease> got;
      auto wait = [&](TaskGroup& inner) -> Task<> {
        (void)inner.spawn(receive_once, pair.server, got);
        co_await turns(3);
        inner.cancel();
      };
      co_await with_task_group(io(), wait);
      EXPECT_TRUE(cancelled(got));
      auto sent = co_await pair.client.send_all("word");
      EXPECT_TRUE(sent);
      const auto word = co_await read(pair.server, 4);
      EXPECT_EQ(word, "word");
    }
    CancelScope scope(io());
    scope.cancel();
    auto none = co_await pair.server.receive();
    EXPECT_TRUE(cancelled(none));
  };
  run(body);
}

TEST_P(StreamTest, ADrainEndsWhatWasAccepted) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    pair.server.keep_in_drain(false);
    Result<Lease> got = fail(EINVAL);
    auto wait = [&](TaskGroup& inner) -> Task<> {
      (void)inner.spawn(receive_once, pair.server, got);
      co_await turns(3);
      io().drain();
    };
    co_await with_task_group(io(), wait);
    EXPECT_TRUE(got && got->empty());
  };
  run(body);
}

TEST_P(StreamTest, AnotherModelTakesOverUnderOpenConnections) {
  std::set<std::string> changed;
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    for (const std::string& to : test::model_names()) {
      for (const std::string& model : {to, GetParam()}) {
        Result<Lease> got;
        auto wait = [&](TaskGroup& inner) -> Task<> {
          (void)inner.spawn(receive_once, pair.server, got);
          co_await turns(2);
          if (io().set_driver(*make_driver(model))) changed.insert(model);
          auto sent = co_await pair.client.send_all(model);
          EXPECT_TRUE(sent);
        };
        co_await with_task_group(io(), wait);
        POLYIO_REQUIRE(got);
        EXPECT_EQ(got->text(), model);
      }
    }
    co_await until([&] { return io().retired_drivers() == 0; });
  };
  run(body);
  const bool fixed = !find_model(GetParam())->unchangeable.empty();
  EXPECT_EQ(changed.contains("epoll"), !fixed);
}

TEST_P(StreamTest, WhatATlsStreamCanNotDo) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair pair;
    co_await meet(pair);
    auto sent = co_await pair.client.send_all("two words");
    EXPECT_TRUE(sent);
    std::array<std::byte, 3> room;
    auto three = co_await pair.server.receive_into(room);
    EXPECT_EQ(three, 3u);
    EXPECT_FALSE(pair.server.quiet());  // the rest is here, though not in the socket
    EXPECT_TRUE(failed_with(pair.server.release(), std::errc::operation_not_supported));
    EXPECT_FALSE(pair.server);
    pair.client.reset();
  };
  run(body);
}

}  // namespace
}  // namespace polyio::tls_test
