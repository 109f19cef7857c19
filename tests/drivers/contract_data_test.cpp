// Contract: bytes arrive complete, in order and once, in whatever portions they travel.
#include <numeric>
#include <polyio/sync/event.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class DataTest : public ContractTest {
 protected:
  Task<> send(Stream& stream, std::string_view bytes) {
    auto sent = co_await stream.send_all(bytes);
    EXPECT_TRUE(sent);
  }
};
POLYIO_ON_EVERY_MODEL(DataTest);

TEST_P(DataTest, ShortReads) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("hello");
    std::array<std::byte, 2> room;
    auto count = co_await stream.receive_into(room);
    POLYIO_REQUIRE(count == 2u);
    EXPECT_EQ(static_cast<char>(room[0]), 'h');
    auto rest = co_await stream.receive();
    POLYIO_REQUIRE(rest);
    EXPECT_EQ(rest->text(), "llo");
    raw.send("x");
    {
      auto awaited = co_await stream.receive_into(room);
      count = std::move(awaited);
    }
    EXPECT_EQ(count, 1u);
    raw.close();
    {
      auto awaited = co_await stream.receive_into(room);
      count = std::move(awaited);
    }
    EXPECT_EQ(count, 0u);
  };
  run(body);
}

TEST_P(DataTest, ALeaseMayBeChangedInPlace) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("hello");
    auto chunk = co_await stream.receive();
    POLYIO_REQUIRE(chunk);
    for (std::byte& byte : chunk->bytes()) byte &= std::byte{0xdf};
    auto sent = co_await stream.send_all(chunk->bytes());
    EXPECT_TRUE(sent);
    EXPECT_EQ(raw.read(5), "HELLO");
  };
  run(body);
}

TEST_P(DataTest, ByteAtATime) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair();
    const std::string text = pattern(500);
    std::string got;
    auto echo = [&]() -> Task<> {
      std::array<std::byte, 1> one;
      for (;;) {
        auto count = co_await ends.far.receive_into(one);
        if (!count || *count == 0) break;
        auto sent = co_await ends.far.send_all(one);
        EXPECT_TRUE(sent);
      }
      EXPECT_TRUE(ends.far.shutdown_send());
    };
    (void)group.spawn(echo);
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto sent = co_await ends.near.send_all(std::string_view(text).substr(i, 1));
      EXPECT_TRUE(sent);
      if (i % 3 == 0) continue;
      auto back = co_await ends.near.receive();
      POLYIO_REQUIRE(back);
      got += back->text();
    }
    EXPECT_TRUE(ends.near.shutdown_send());
    auto rest = co_await read_to_end(ends.near);
    EXPECT_EQ(got + rest, text);
  };
  run(body);
}

// Both directions at once on the same two streams: a receive is in flight while another task sends.
TEST_P(DataTest, EightMegabytesInBothDirectionsAtOnce) {
  constexpr std::size_t size = 8 << 20;
  const std::string there = pattern(size, 1), back = pattern(size, 2);
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair(64 * 1024);
    int right = 0;
    auto reader = [&](Stream& stream, const std::string& expected) -> Task<> {
      auto got = co_await read(stream, size);
      right += got == expected;
    };
    (void)group.spawn([&] { return send(ends.near, there); });
    (void)group.spawn([&] { return send(ends.far, back); });
    (void)group.spawn(reader, ends.near, back);
    (void)group.spawn(reader, ends.far, there);
    co_await until([&] { return group.running() == 0; });
    EXPECT_EQ(right, 2);
  };
  run(body);
}

std::vector<Part> cut(const std::string& bytes, const std::vector<std::size_t>& sizes) {
  std::vector<Part> parts;
  std::size_t at = 0;
  for (std::size_t size : sizes) {
    parts.emplace_back(std::string_view(bytes).substr(at, size));
    at += size;
  }
  return parts;
}

TEST_P(DataTest, PiecesAreSentAsOne) {
  const std::vector<std::vector<std::size_t>> cuts = {{},
                                                      {0},
                                                      {0, 0, 0},
                                                      {5},
                                                      {0, 3, 0, 0, 4, 0},
                                                      std::vector<std::size_t>(65, 1),
                                                      std::vector<std::size_t>(200, 3),
                                                      std::vector<std::size_t>(1024, 2),
                                                      {1, 100'000, 0, 2}};
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair();
    std::string expected, got;
    auto reader = [&]() -> Task<> {
      {
        auto awaited = co_await read_to_end(ends.far);
        got = std::move(awaited);
      }
    };
    (void)group.spawn(reader);
    for (const auto& sizes : cuts) {
      const std::string bytes =
          pattern(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), sizes.size());
      const std::vector<Part> parts = cut(bytes, sizes);
      auto sent = co_await ends.near.send_all(parts);
      EXPECT_TRUE(sent);
      expected += bytes;
    }
    EXPECT_TRUE(ends.near.shutdown_send());
    co_await until([&] { return group.running() == 0; });
    EXPECT_EQ(got, expected);
  };
  run(body);
}

// The socket takes them bit by bit, so a send goes on in the middle of a piece.
TEST_P(DataTest, LargePiecesThroughASmallSocket) {
  const std::vector<std::size_t> sizes = [] {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < 150; ++i) all.push_back(i % 7 == 0 ? 0 : i * 131);
    return all;
  }();
  const std::string bytes = pattern(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), 3);
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair(32 * 1024);
    auto sender = [&]() -> Task<> {
      const std::vector<Part> parts = cut(bytes, sizes);
      auto sent = co_await ends.near.send_all(parts);
      EXPECT_TRUE(sent);
      EXPECT_TRUE(ends.near.shutdown_send());
    };
    (void)group.spawn(sender);
    auto got = co_await read_to_end(ends.far);
    EXPECT_TRUE(got == bytes);
  };
  run(body);
}

TEST_P(DataTest, WhatWasSentBeforeTheCloseArrives) {
  const std::string bytes = pattern(1 << 20);
  auto [stream, raw] = half();
  std::string got;
  std::jthread reader([&got, &raw] { got = raw.read_to_end(); });
  auto body = [&](TaskGroup&) -> Task<> {
    co_await send(stream, bytes);
    stream.close();
  };
  run(body);
  reader.join();
  EXPECT_TRUE(got == bytes);
}

// A handler that does not ask is not read for without end: the sender has to wait.
TEST_P(DataTest, BackPressure) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half(64 * 1024);
    raw.send("x");
    auto first = co_await stream.receive();
    POLYIO_REQUIRE(first);
    const std::string block = pattern(64 * 1024);
    std::string sent;
    int idle = 0;
    while (idle < 100 && sent.size() < (8u << 20)) {
      const std::size_t count = raw.send_what_fits(block);
      sent += block.substr(0, count);
      idle = count == 0 ? idle + 1 : 0;
      co_await turns(2);
    }
    EXPECT_LT(sent.size(), 4u << 20);
    raw.shutdown_send();
    auto got = co_await read_to_end(stream);
    EXPECT_TRUE(got == sent) << "and nothing of it is lost";
  };
  run(body);
}

// Two hundred connections on one thread's Io, each its own server and client task.
TEST_P(DataTest, TwoHundredConnectionsAtOnce) {
  constexpr int connections = 200;
  int answered = 0, connected = 0;
  Event all;
  auto server = [&](Stream stream) -> Task<> {
    for (;;) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      auto sent = co_await stream.send_all(chunk->bytes());
      if (!sent) co_return;
    }
  };
  auto client = [&](os::Address address, int number) -> Task<> {
    auto stream = co_await io().connect(address);
    POLYIO_REQUIRE(stream);
    if (++connected == connections) all.set();
    (void)co_await all.wait(io());
    const std::string text = "client " + std::to_string(number);
    for (int i = 0; i < 5; ++i) {
      co_await send(*stream, text);
      auto back = co_await read(*stream, text.size());
      answered += back == text;
    }
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    Listener listener = listen("127.0.0.1:0", 512);
    const os::Address address = *listener.local_address();
    for (int i = 0; i < connections; ++i) {
      auto spawned = group.spawn(client, address, i);
      EXPECT_TRUE(spawned);
    }
    for (int i = 0; i < connections; ++i) {
      auto stream = co_await listener.accept();
      POLYIO_REQUIRE(stream);
      auto spawned = group.spawn(server, std::move(*stream));
      EXPECT_TRUE(spawned);
    }
  };
  run(body);
  EXPECT_EQ(answered, connections * 5);
}

}  // namespace
}  // namespace polyio::contract
