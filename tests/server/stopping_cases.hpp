// How a server ends, on every model and architecture: the cases, compiled into the test program of
// those that fork and into that of the others.
#pragma once

#include <gmock/gmock.h>

#include "server/fixture.hpp"

namespace polyio::server_test {

class Stopping : public ServerTest {};

TEST_P(Stopping, WhatIsInFlightIsFinished) {
  const Shared<std::atomic<bool>> begun, may_end;
  Running running(options(), [&](Io& io, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(chunk && chunk->text() == "work");
    *begun = true;
    co_await until_set(io, *may_end);
    auto sent = co_await stream.send_all(std::string_view("done"));
    EXPECT_TRUE(sent);
  });
  running.start();
  Peer peer = running.connect();
  peer.send("work");
  EXPECT_TRUE(until([&] { return begun->load(); }));
  running.server->stop();
  *may_end = true;
  EXPECT_EQ(peer.read_to_end(), "done");
  running.join();
  EXPECT_EQ(running.statistics().cut, 0u);
  EXPECT_EQ(running.statistics().active, 0u);
}

// Echoes, and says goodbye at the end of file.
inline Task<> polite(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk) co_return;
    if (chunk->empty()) break;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
  (void)co_await stream.send_all(std::string_view("bye"));
}

TEST_P(Stopping, IdleHandlersSeeTheEndOfFile) {
  Running running(options(), polite);
  running.start();
  std::vector<Peer> peers;
  for (std::size_t i = 0; i < at_once(10); ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("x");
  }
  running.finish();
  for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "bye");
  EXPECT_EQ(running.statistics().cut, 0u);
}

TEST_P(Stopping, WhatHasArrivedIsStillDelivered) {
  for (int i = 0; i < rounds(20); ++i) {
    Running running(options(), polite);
    running.start();
    Peer peer = running.connect();
    peer.expect_echo("first");
    peer.send("last");
    running.finish();
    EXPECT_EQ(peer.read_to_end(), "lastbye");
  }
}

TEST_P(Stopping, OnStopIsCalledOnceAndMayThrow) {
  const Shared<std::atomic<int>> begun;
  ServerOptions with = options();
  with.on_stop = [&begun] {
    ++*begun;
    throw std::runtime_error("on purpose");
  };
  Running running(with, polite);
  running.start();
  running.connect().expect_echo("x");
  EXPECT_EQ(*begun, 0);
  running.server->stop();
  running.finish();
  EXPECT_EQ(*begun, 1);
  EXPECT_THAT(running.log.text(), testing::HasSubstr("on_stop threw: on purpose"));
}

// A handler that ends only when it is cancelled: it waits, or it sends to who does not read.
inline Task<> stubborn(Io& io, Stream stream) {
  auto chunk = co_await stream.receive();
  if (!chunk || chunk->empty()) co_return;
  auto told = co_await stream.send_all("begun");
  if (!told) co_return;
  if (chunk->text() == "sleep") (void)co_await io.sleep(10h);
  if (chunk->text() == "park") (void)co_await io.park();
  const std::string much(1 << 20, 'x');
  for (;;) {
    auto sent = co_await stream.send_all(much);
    if (!sent) co_return;
  }
}

// Three connections that never end by themselves, and one that does; one that never ends where no
// more are served.
class Stubborn : public ServerTest {
 protected:
  static std::vector<Peer> connect_stubborn(const Running& running) {
    std::vector<Peer> peers;
    const std::vector<const char*> words =
        iterative() ? std::vector{"send"} : std::vector{"sleep", "park", "send"};
    for (const char* word : words) {
      peers.push_back(running.connect());
      peers.back().send(word);
      EXPECT_EQ(peers.back().read(5), "begun");  // it will not end by itself any more
    }
    EXPECT_EQ(peers.back().read(100'000).size(), 100'000u);
    if (!iterative()) peers.push_back(running.connect());
    EXPECT_TRUE(until([&] { return running.statistics().active == peers.size(); }));
    return peers;
  }
  static std::uint64_t never_end() { return iterative() ? 1 : 3; }
};

TEST_P(Stubborn, TheRestIsCutWhenTheDrainTimeIsOver) {
  auto hasty = options();
  hasty.drain_timeout = 50ms;
  Running running(hasty, stubborn);
  running.start();
  auto peers = connect_stubborn(running);
  running.finish();
  for (Peer& peer : peers) (void)peer.read_to_end();
  // On a busy machine the one that would end by itself may need longer, too.
  const auto cut = running.statistics().cut;
  EXPECT_GE(cut, never_end());
  EXPECT_LE(cut, peers.size());
  EXPECT_EQ(running.statistics().active, 0u);
  EXPECT_THAT(running.log.text(), testing::HasSubstr(fmt::format("{} connections were cut", cut)));
}

TEST_P(Stubborn, ASecondStopCutsTheRest) {
  Running running(options(), stubborn);
  running.start();
  auto peers = connect_stubborn(running);
  running.server->stop();
  if (!iterative()) {
    EXPECT_EQ(peers[3].read_to_end(), "");  // so it is draining
  }
  EXPECT_TRUE(until([&] { return running.statistics().active == never_end(); }));
  running.server->stop();
  running.join();
  EXPECT_EQ(running.statistics().cut, never_end());
}

TEST_P(Stubborn, TwoStopsInARowCutAtOnce) {
  for (int i = 0; i < rounds(10); ++i) {
    Running running(options(), stubborn);
    running.start();
    auto peers = connect_stubborn(running);
    running.server->stop();
    running.server->stop();
    running.server->stop();
    running.join();
    EXPECT_GE(running.statistics().cut, never_end());
  }
}

// Asks a server of its own for each question of its client.
inline Task<> gateway(Io& io, Stream client, os::Address backend) {
  auto question = co_await client.receive();
  if (!question || question->empty()) co_return;
  auto upstream = co_await io.connect(backend);
  EXPECT_TRUE(upstream);
  if (!upstream) co_return;
  auto asked = co_await upstream->send_all(question->bytes());
  EXPECT_TRUE(asked);
  auto answer = co_await upstream->receive();
  const std::string text = answer ? std::string(answer->text()) : answer.error().message();
  (void)co_await client.send_all(text);
}

TEST_P(Stopping, WhatAHandlerHasOpenedItselfIsNotEnded) {
  const auto listener =
      os::listen_stream(os::Address::parse("127.0.0.1:0").value(), 8, os::Blocking::yes);
  ASSERT_TRUE(listener);
  const os::Address backend = os::local_address(listener->get()).value();
  Running running(options(), [backend](Io& io, Stream stream) {
    return gateway(io, std::move(stream), backend);
  });
  running.start();
  Peer peer = running.connect();
  std::optional<Peer> idle;
  if (!iterative()) idle = running.connect();
  peer.send("question");
  auto upstream = os::accept(listener->get(), os::Blocking::yes);
  ASSERT_TRUE(upstream);
  running.server->stop();
  if (idle) {
    EXPECT_EQ(idle->read_to_end(), "");  // so it is draining
  }
  EXPECT_EQ(::send(upstream->get(), "answer", 6, MSG_NOSIGNAL), 6);
  EXPECT_EQ(peer.read_to_end(), "answer");
  running.join();
  EXPECT_EQ(running.statistics().cut, 0u);
}

TEST_P(Stopping, AConnectionThatIsKeptIsCutWithAnError) {
  auto hasty = options();
  hasty.drain_timeout = 50ms;
  const Shared<std::atomic<int>> ended;
  Running running(hasty, [&](Io&, Stream stream) -> Task<> {
    stream.keep_in_drain();
    auto sent = co_await stream.send_all("begun");
    EXPECT_TRUE(sent);
    auto chunk = co_await stream.receive();
    *ended = chunk ? -1 : chunk.error().value();
  });
  running.start();
  Peer peer = running.connect();
  EXPECT_EQ(peer.read(5), "begun");
  running.finish();
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_EQ(*ended, ECANCELED);
  EXPECT_EQ(running.statistics().cut, 1u);
}

TEST_P(Stopping, BeforeItRuns) {
  Running running(options(), echo);
  Peer early = running.connect();  // in the backlog
  running.server->stop();
  running.start().join();
  EXPECT_EQ(running.statistics().accepted, 0u);
}

TEST_P(Stopping, TwiceBeforeAndOnceAfter) {
  Running running(options(), echo);
  running.server->stop();
  running.server->stop();
  running.start().join();
  running.server->stop();
}

TEST_P(Stopping, WhileItStarts) {
  for (int i = 0; i < rounds(50); ++i) {
    Running running(options(), echo);
    Peer early = running.connect();
    std::jthread stopper([&] { running.server->stop(); });
    running.start().join();
    EXPECT_EQ(running.statistics().active, 0u);
  }
}

TEST_P(Stopping, FromOnReady) {
  auto chosen = options();
  const Shared<Server*> server;
  chosen.on_ready = [&](const Server&) { (*server)->stop(); };
  Running running(chosen, echo);
  *server = &*running.server;
  running.start().join();
}

TEST_P(Stopping, FromAHandler) {
  const Shared<Server*> server;
  Running running(options(), [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    (*server)->stop();
    (void)co_await stream.send_all(std::string_view("stopping"));
  });
  *server = &*running.server;
  running.start();
  Peer peer = running.connect();
  peer.send("stop");
  EXPECT_EQ(peer.read_to_end(), "stopping");
  running.join();
}

// Those who come first wait in the backlog, and the workers may not even have begun.
TEST_P(Stopping, AndThoseWhoCameBeforeItRanAreServed) {
  for (int i = 0; i < rounds(20); ++i) {
    auto many = options();
    if (!workers_are_places()) many.workers = 8;
    Running running(many, polite);
    std::vector<Peer> peers;
    for (std::size_t n = 0; n < at_once(20); ++n) peers.push_back(running.connect());
    for (Peer& peer : peers) peer.send("early");
    running.start();
    for (Peer& peer : peers) EXPECT_EQ(peer.read(5), "early");
    running.finish();
    for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "bye");
  }
}

// Each gets an end while the server object still lives: nobody is forgotten on the way to a worker.
TEST_P(Stopping, WhileConnectionsCome) {
  for (int i = 0; i < rounds(20); ++i) {
    Running running(options(), echo);
    running.start();
    std::atomic<bool> over{false};
    std::vector<std::vector<Peer>> peers(3);
    {
      std::vector<std::jthread> callers;
      for (auto& mine : peers) {
        callers.emplace_back([&] {
          while (!over && mine.size() < 100) {
            try {
              mine.push_back(running.connect());
            } catch (const std::system_error&) {
              return;  // it listens no more
            }
          }
        });
      }
      if (!until([&] { return running.statistics().accepted >= at_once(20); })) ADD_FAILURE();
      running.finish();
      over = true;
    }
    for (auto& mine : peers) {
      for (Peer& peer : mine) {
        peer.poke();
        EXPECT_EQ(peer.read_to_end(), "");
      }
    }
    EXPECT_EQ(running.statistics().active, 0u);
    EXPECT_EQ(running.statistics().cut, 0u);
  }
}

}  // namespace polyio::server_test
