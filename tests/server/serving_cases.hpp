// What a server promises while it runs, on every model and architecture: the cases, compiled into
// the test program of those that fork and into that of the others.
#pragma once

#include <gmock/gmock.h>

#include "server/fixture.hpp"

namespace polyio::server_test {

using testing::HasSubstr;

class Serving : public ServerTest {};

TEST_P(Serving, AnswersManyAtOnce) {
  Running running(options(), echo);
  running.start();
  std::vector<Peer> peers;
  const std::size_t many = at_once(20);
  for (std::size_t i = 0; i < many; ++i) peers.push_back(running.connect());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < peers.size(); ++i) peers[i].send(fmt::format("{} {:03}", round, i));
    for (std::size_t i = 0; i < peers.size(); ++i) {
      EXPECT_EQ(peers[i].read(5), fmt::format("{} {:03}", round, i));
    }
  }
  for (Peer& peer : peers) peer.finish();
  for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  running.finish();
  const auto statistics = running.statistics();
  EXPECT_EQ(statistics.accepted, many);
  EXPECT_EQ(statistics.failed + statistics.refused + statistics.accept_errors + statistics.cut, 0u);
}

TEST_P(Serving, CountsWhatIsActive) {
  Running running(options(), echo);
  running.start();
  std::vector<Peer> peers;
  const std::uint64_t many = at_once(5);
  for (std::uint64_t i = 1; i <= many; ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("here");
    EXPECT_EQ(running.statistics().active, i);
  }
  const std::uint64_t left = many / 2;
  peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(left), peers.end());
  EXPECT_TRUE(until([&] { return running.statistics().active == left; }));
  EXPECT_EQ(running.statistics().accepted, many);
}

// "throw" and "int" throw; the rest is echoed.
inline Task<> throwing(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    if (chunk->text() == "throw") throw std::runtime_error("boom \x1b[2J\n\xff");
    if (chunk->text() == "int") throw 7;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

TEST_P(Serving, AHandlerThatThrowsCostsItsConnectionOnly) {
  Running running(options(), throwing);
  running.start();
  std::optional<Peer> healthy;
  if (!iterative()) healthy.emplace(running.connect()).expect_echo("before");
  for (const char* word : {"throw", "int", "throw"}) {
    Peer doomed = running.connect();
    doomed.expect_echo("fine");
    doomed.send(word);
    EXPECT_EQ(doomed.read_to_end(), "");
    if (healthy) healthy->expect_echo("still here");
  }
  EXPECT_TRUE(until([&] { return running.statistics().active == (healthy ? 1 : 0); }));
  EXPECT_EQ(running.statistics().failed, 3u);
  running.connect().expect_echo("a new one");
  running.finish();
  const std::string log = running.log.text();
  EXPECT_THAT(log, HasSubstr("a handler threw: boom "));
  EXPECT_THAT(log, HasSubstr("a handler threw what is not a std::exception"));
  EXPECT_EQ(log.find_first_of("\x1b\xff"), std::string::npos) << "one clean line each: " << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 3) << log;
}

TEST_P(Serving, ThrowingBeforeTheFirstWaitIsSurvivedToo) {
  Running running(options(), [](Io&, Stream) -> Task<> { throw std::runtime_error("at once"); });
  running.start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(running.connect().read_to_end(), "");
  EXPECT_TRUE(until([&] { return running.statistics().failed == 5; }));
}

TEST_P(Serving, ServesAtMostSoManyAtOnce) {
  auto limited = options();
  limited.max_connections = 3;
  struct Crowd {
    std::atomic<int> now, most;
  };
  const Shared<Crowd> crowded;
  Running running(limited, [&](Io& io, Stream stream) -> Task<> {
    const int mine = ++crowded->now;
    for (int seen = crowded->most;
         seen < mine && !crowded->most.compare_exchange_weak(seen, mine);) {
    }
    co_await echo(io, std::move(stream));
    --crowded->now;
  });
  running.start();
  std::vector<std::jthread> crowd;
  for (int i = 0; i < 30; ++i) {
    crowd.emplace_back([&] {
      Peer peer = running.connect();
      peer.expect_echo("my turn");
      peer.finish();
      EXPECT_EQ(peer.read_to_end(), "");
    });
  }
  crowd.clear();
  EXPECT_LE(crowded->most, 3);
  EXPECT_GE(crowded->most, 1);
  EXPECT_EQ(running.statistics().accepted, 30u);
}

TEST_P(Serving, TheNextOneWaitsForRoom) {
  auto limited = options();
  limited.max_connections = 2;
  Running running(limited, echo);
  running.start();
  Peer first = running.connect();
  first.expect_echo("1");
  std::optional<Peer> second;
  if (!iterative()) second.emplace(running.connect()).expect_echo("2");
  Peer third = running.connect();
  third.send("3");
  for (int i = 0; i < 100; ++i) first.expect_echo("1");
  EXPECT_FALSE(third.anything_there());
  EXPECT_EQ(running.statistics().active, second ? 2u : 1u);
  (second ? *second : first).close();
  EXPECT_EQ(third.read(1), "3");
}

TEST_P(Serving, ASilentPeerIsTimedOut) {
  auto impatient = options();
  impatient.idle_timeout = 50ms;
  struct Errors {
    std::atomic<int> count, timed_out;
  };
  const Shared<Errors> errors;
  Running running(impatient, [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    auto error = chunk ? std::error_code() : chunk.error();
    const std::string much(16 * 1024, 'x');
    while (chunk && !error) {  // until the peer's window is full
      auto sent = co_await stream.send_all(much);
      if (!sent) error = sent.error();
    }
    ++errors->count;
    if (error == std::errc::timed_out) ++errors->timed_out;
  });
  running.start();
  Peer silent = running.connect(), deaf = running.connect();
  deaf.send("begin");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_TRUE(until([&] { return errors->count == 2; }));
  running.finish();
  EXPECT_EQ(errors->timed_out, 2);
}

TEST_P(Serving, TwoServersSideBySide) {
  Running first(options(), echo), second(options(), echo);
  first.start();
  second.start();
  EXPECT_NE(first.server->address().port(), second.server->address().port());
  Peer one = first.connect(), two = second.connect();
  one.expect_echo("one");
  two.expect_echo("two");
  first.finish();
  EXPECT_EQ(one.read_to_end(), "");
  two.expect_echo("still here");
  EXPECT_EQ(second.statistics().accepted, 1u);
}

TEST_P(Serving, SaysWhereItListens) {
  auto chosen = options();
  const Shared<std::array<char, 200>> ready;
  chosen.on_ready = [&](const Server& server) { server.ready_line().copy(ready->data(), 199); };
  Running running(chosen, echo);
  running.start();
  running.connect().expect_echo("x");
  running.finish();
  EXPECT_EQ(std::string(ready->data()),
            fmt::format("listening on {} ({}, {})", running.server->address().text(), chosen.model,
                        chosen.architecture));
  EXPECT_GT(running.server->address().port(), 0);
}

TEST_P(Serving, OnIpv6) {
  auto six = options();
  six.listen = "[::1]:0";
  Running running(six, echo);
  running.start();
  running.connect().expect_echo("six");
}

TEST_P(Serving, AHundredAreAnsweredBesideOneThatStalls) {
  if (iterative()) GTEST_SKIP() << "serves one: see Iterative.ASecondClientWaits";
  auto many = options();
  if (workers_are_places()) many.workers = 101;
  const Shared<std::atomic<bool>> over;
  Running running(many, [&](Io& io, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    if (chunk->text() == "stall") co_return co_await until_set(io, *over);
    (void)co_await stream.send_all(chunk->bytes());
    co_await echo(io, std::move(stream));
  });
  running.start();
  Peer stalled = running.connect();
  stalled.send("stall");
  EXPECT_TRUE(until([&] { return running.statistics().active == 1; }));
  std::vector<Peer> peers;
  for (int i = 0; i < 100; ++i) peers.push_back(running.connect());
  for (int round = 0; round < 3; ++round) {
    for (Peer& peer : peers) peer.send("active");
    for (Peer& peer : peers) EXPECT_EQ(peer.read(6), "active");
  }
  EXPECT_FALSE(stalled.anything_there());
  EXPECT_EQ(running.statistics().active, 101u);
  *over = true;
  EXPECT_EQ(stalled.read_to_end(), "");
}

}  // namespace polyio::server_test
