#include <gmock/gmock.h>

#include "fixture.hpp"

namespace polyio::server_test {
namespace {

using Stopping = ServerTest;
POLYIO_ON_ALL_DIALS(Stopping);

TEST_P(Stopping, WhatIsInFlightIsFinished) {
  Event begun, may_end;
  Running running(options(), [&](Io& io, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(chunk && chunk->text() == "work");
    begun.set();
    auto waited = co_await may_end.wait(io);
    EXPECT_TRUE(waited);
    auto sent = co_await stream.send_all(std::string_view("done"));
    EXPECT_TRUE(sent);
  });
  running.start();
  Peer peer = running.connect();
  peer.send("work");
  begun.wait();
  running.server->stop();
  may_end.set();
  EXPECT_EQ(peer.read_to_end(), "done");
  running.join();
  EXPECT_EQ(running.statistics().cut, 0u);
  EXPECT_EQ(running.statistics().active, 0u);
}

// Echoes, and says goodbye at the end of file.
Task<> polite(Io&, Stream stream) {
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
  for (int i = 0; i < 10; ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("x");
  }
  running.finish();
  for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "bye");
  EXPECT_EQ(running.statistics().cut, 0u);
}

TEST_P(Stopping, WhatHasArrivedIsStillDelivered) {
  for (int i = 0; i < 20; ++i) {
    Running running(options(), polite);
    running.start();
    Peer peer = running.connect();
    peer.expect_echo("first");
    peer.send("last");
    running.finish();
    EXPECT_EQ(peer.read_to_end(), "lastbye");
  }
}

// A handler that ends only when it is cancelled: it waits, or it sends to who does not read.
Task<> stubborn(Io& io, Stream stream) {
  auto chunk = co_await stream.receive();
  if (!chunk || chunk->empty()) co_return;
  if (chunk->text() == "sleep") (void)co_await io.sleep(10h);
  if (chunk->text() == "park") (void)co_await io.park();
  const std::string much(1 << 20, 'x');
  for (;;) {
    auto sent = co_await stream.send_all(much);
    if (!sent) co_return;
  }
}

// Three connections that never end by themselves, and one that does.
std::vector<Peer> connect_stubborn(const Running& running) {
  std::vector<Peer> peers;
  for (const char* word : {"sleep", "park", "send"}) {
    peers.push_back(running.connect());
    peers.back().send(word);
  }
  peers.push_back(running.connect());
  EXPECT_EQ(peers[2].read(100'000).size(), 100'000u);
  EXPECT_TRUE(until([&] { return running.statistics().active == 4; }));
  return peers;
}

TEST_P(Stopping, TheRestIsCutWhenTheDrainTimeIsOver) {
  auto hasty = options();
  hasty.drain_timeout = 50ms;
  Running running(hasty, stubborn);
  running.start();
  auto peers = connect_stubborn(running);
  running.finish();
  for (Peer& peer : peers) (void)peer.read_to_end();
  EXPECT_EQ(running.statistics().cut, 3u);
  EXPECT_EQ(running.statistics().active, 0u);
  EXPECT_THAT(running.log.text(), testing::HasSubstr("3 connections were cut"));
}

TEST_P(Stopping, ASecondStopCutsTheRest) {
  Running running(options(), stubborn);
  running.start();
  auto peers = connect_stubborn(running);
  running.server->stop();
  EXPECT_EQ(peers[3].read_to_end(), "");  // so it is draining
  EXPECT_TRUE(until([&] { return running.statistics().active == 3; }));
  running.server->stop();
  running.join();
  EXPECT_EQ(running.statistics().cut, 3u);
}

TEST_P(Stopping, TwoStopsInARowCutAtOnce) {
  for (int i = 0; i < 10; ++i) {
    Running running(options(), stubborn);
    running.start();
    auto peers = connect_stubborn(running);
    running.server->stop();
    running.server->stop();
    running.server->stop();
    running.join();
    EXPECT_GE(running.statistics().cut, 3u);
  }
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
  for (int i = 0; i < 50; ++i) {
    Running running(options(), echo);
    Peer early = running.connect();
    std::jthread stopper([&] { running.server->stop(); });
    running.start().join();
    EXPECT_EQ(running.statistics().active, 0u);
  }
}

TEST_P(Stopping, FromOnReady) {
  auto chosen = options();
  Server* server = nullptr;
  chosen.on_ready = [&](const Server&) { server->stop(); };
  Running running(chosen, echo);
  server = &*running.server;
  running.start().join();
}

TEST_P(Stopping, FromAHandler) {
  Server* server = nullptr;
  Running running(options(), [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    server->stop();
    (void)co_await stream.send_all(std::string_view("stopping"));
  });
  server = &*running.server;
  running.start();
  Peer peer = running.connect();
  peer.send("stop");
  EXPECT_EQ(peer.read_to_end(), "stopping");
  running.join();
}

// Those who come first wait in the backlog, and the workers may not even have begun.
TEST_P(Stopping, AndThoseWhoCameBeforeItRanAreServed) {
  for (int i = 0; i < 20; ++i) {
    auto many = options();
    many.workers = 8;
    Running running(many, polite);
    std::vector<Peer> peers;
    for (int n = 0; n < 20; ++n) peers.push_back(running.connect());
    for (Peer& peer : peers) peer.send("early");
    running.start();
    for (Peer& peer : peers) EXPECT_EQ(peer.read(5), "early");
    running.finish();
    for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "bye");
  }
}

// Each gets an end while the server object still lives: nobody is forgotten on the way to a worker.
TEST_P(Stopping, WhileConnectionsCome) {
  for (int i = 0; i < 20; ++i) {
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
      if (!until([&] { return running.statistics().accepted >= 20; })) ADD_FAILURE();
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

// --- what can't start ---

std::string refusal_of(ServerOptions options) {
  options.log = [](std::string_view) {};
  try {
    const Server server(std::move(options), echo);
  } catch (const std::invalid_argument& error) {
    return error.what();
  } catch (const std::system_error& error) {
    return std::string("system: ") + error.what();
  }
  return "none";
}

TEST(ServerOptions, ThatMakeNoSenseAreRefusedWithAWayOut) {
  using testing::AllOf;
  using testing::HasSubstr;
  EXPECT_THAT(refusal_of({.model = "uring"}),
              AllOf(HasSubstr("unknown model uring"), HasSubstr("epoll"), HasSubstr("auto")));
  EXPECT_THAT(refusal_of({.model = "epoll", .architecture = "prefork"}),
              AllOf(HasSubstr("prefork"), HasSubstr("epoll"), HasSubstr("use loop, loops")));
  EXPECT_THAT(refusal_of({.model = "blocking", .architecture = "loops"}),
              HasSubstr("use thread-per-connection"));
  for (const char* listen : {"", "nowhere", "127.0.0.1", "127.0.0.1:99999", "1.2.3.4.5:80", ":x"}) {
    EXPECT_THAT(refusal_of({.listen = listen}),
                AllOf(HasSubstr(fmt::format("'{}'", listen)), HasSubstr("give ADDRESS:PORT")));
  }
  EXPECT_THAT(refusal_of({.architecture = "loops", .workers = 1'025}), HasSubstr("1024"));
  for (const ModelInfo& info : list_models()) {
    if (info.available) continue;
    EXPECT_THAT(refusal_of({.model = info.model}), HasSubstr(info.reason));
  }
}

TEST(ServerOptions, AnAddressThatCannotBeHadIsASystemError) {
  using testing::AllOf;
  using testing::HasSubstr;
  using testing::StartsWith;
  const std::size_t before = open_fds();
  {
    Running running({}, echo);
    const std::string taken = running.server->address().text();
    EXPECT_THAT(
        refusal_of({.listen = taken}),
        AllOf(StartsWith("system: "), HasSubstr("can't listen on " + taken), HasSubstr("in use")));
    EXPECT_THAT(refusal_of({.listen = "192.0.2.1:80"}),
                AllOf(StartsWith("system: "), HasSubstr("192.0.2.1:80")));
  }
  EXPECT_EQ(open_fds(), before);
}

TEST(ServerOptions, AutoSaysWhatItChose) {
  Running running({}, echo);
  EXPECT_EQ(running.server->model(), choose_model().model);
  EXPECT_THAT(running.log.text(), testing::StartsWith("model: " + running.server->model() + " ("));
}

}  // namespace
}  // namespace polyio::server_test
