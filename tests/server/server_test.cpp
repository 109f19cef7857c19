#include <gmock/gmock.h>
#include <pthread.h>

#include <polyio/io/task_group.hpp>
#include <polyio/os/thread.hpp>
#include <set>

#include "fixture.hpp"

namespace polyio::server_test {
namespace {

using testing::HasSubstr;
using testing::Not;

using Serving = ServerTest;
POLYIO_ON_ALL_DIALS(Serving);

TEST_P(Serving, AnswersManyAtOnce) {
  Running running(options(), echo);
  running.start();
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(running.connect());
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
  EXPECT_EQ(statistics.accepted, 20u);
  EXPECT_EQ(statistics.failed + statistics.refused + statistics.accept_errors + statistics.cut, 0u);
}

TEST_P(Serving, CountsWhatIsActive) {
  Running running(options(), echo);
  running.start();
  std::vector<Peer> peers;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("here");
    EXPECT_EQ(running.statistics().active, i);
  }
  peers.erase(peers.begin() + 3, peers.end());
  EXPECT_TRUE(until([&] { return running.statistics().active == 3; }));
  EXPECT_EQ(running.statistics().accepted, 5u);
}

// "throw" and "int" throw; the rest is echoed.
Task<> throwing(Io&, Stream stream) {
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
  Peer healthy = running.connect();
  healthy.expect_echo("before");
  for (const char* word : {"throw", "int", "throw"}) {
    Peer doomed = running.connect();
    doomed.expect_echo("fine");
    doomed.send(word);
    EXPECT_EQ(doomed.read_to_end(), "");
    healthy.expect_echo("still here");
  }
  EXPECT_TRUE(until([&] { return running.statistics().active == 1; }));
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
  std::atomic<int> now{0}, most{0};
  Running running(limited, [&](Io& io, Stream stream) -> Task<> {
    const int mine = ++now;
    for (int seen = most; seen < mine && !most.compare_exchange_weak(seen, mine);) {
    }
    co_await echo(io, std::move(stream));
    --now;
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
  EXPECT_LE(most, 3);
  EXPECT_EQ(running.statistics().accepted, 30u);
}

TEST_P(Serving, TheNextOneWaitsForRoom) {
  auto limited = options();
  limited.max_connections = 2;
  Running running(limited, echo);
  running.start();
  Peer first = running.connect(), second = running.connect();
  first.expect_echo("1");
  second.expect_echo("2");
  Peer third = running.connect();
  third.send("3");
  for (int i = 0; i < 100; ++i) first.expect_echo("1");
  EXPECT_FALSE(third.anything_there());
  EXPECT_EQ(running.statistics().active, 2u);
  second.close();
  EXPECT_EQ(third.read(1), "3");
}

TEST_P(Serving, ASilentPeerIsTimedOut) {
  auto impatient = options();
  impatient.idle_timeout = 50ms;
  std::mutex mutex;
  std::vector<std::error_code> errors;
  Running running(impatient, [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    auto error = chunk ? std::error_code() : chunk.error();
    while (chunk && !error) {  // until the peer's window is full
      auto sent = co_await stream.send_all(std::string_view("much of it"));
      if (!sent) error = sent.error();
    }
    const std::lock_guard lock(mutex);
    errors.push_back(error);
  });
  running.start();
  Peer silent = running.connect(), deaf = running.connect();
  deaf.send("begin");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  running.finish();
  const std::error_code timed_out = make_error_code(std::errc::timed_out);
  EXPECT_EQ(errors, (std::vector{timed_out, timed_out}));
}

TEST_P(Serving, EveryConnectionHasAHome) {
  auto chosen = options();
  std::mutex mutex;
  std::set<const Io*> homes;
  Running running(chosen, [&](Io& io, Stream stream) -> Task<> {
    {
      const std::lock_guard lock(mutex);
      homes.insert(&io.home());
    }
    co_await echo(io, std::move(stream));
  });
  const auto known = running.server->homes();
  EXPECT_EQ(known.size(), chosen.architecture == "loops" ? 4u : 1u);
  running.start();
  std::vector<Peer> peers;
  for (int i = 0; i < 8; ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("x");
  }
  running.finish();
  EXPECT_EQ(homes, std::set<const Io*>(known.begin(), known.end()));
}

TEST_P(Serving, FiveHundredComeAndGoAndNoDescriptorIsLeft) {
  const std::size_t before = open_fds();
  {
    Running running(options(), echo);
    running.start();
    for (int i = 0; i < 500; ++i) {
      Peer peer = running.connect();
      if (i % 5 != 0) peer.expect_echo("hi");
      if (i % 5 == 1) peer.send("unread");
      if (i % 5 == 2) peer.reset();
      if (i % 5 != 3) continue;
      peer.finish();
      EXPECT_EQ(peer.read_to_end(), "");
    }
    EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
    EXPECT_EQ(running.statistics().failed, 0u);
    EXPECT_GE(running.statistics().accepted, 400u);  // what is reset in the backlog may never come
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_P(Serving, TwoServersInOneProcess) {
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
  std::string ready;
  chosen.on_ready = [&](const Server& server) { ready = server.ready_line(); };
  Running running(chosen, echo);
  running.start();
  running.connect().expect_echo("x");
  running.finish();
  EXPECT_EQ(ready, fmt::format("listening on {} ({}, {})", running.server->address().text(),
                               chosen.model, chosen.architecture));
  EXPECT_GT(running.server->address().port(), 0);
}

TEST_P(Serving, OnIpv6) {
  auto six = options();
  six.listen = "[::1]:0";
  Running running(six, echo);
  running.start();
  running.connect().expect_echo("six");
}

// --- loops ---

TEST(ServerThreads, HaveASmallStack) {
  std::size_t handlers = 0, childs = 0;
  const auto stack_size = [] {
    pthread_attr_t attributes;
    std::size_t size = 0;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    ::pthread_attr_getstacksize(&attributes, &size);
    ::pthread_attr_destroy(&attributes);
    return size;
  };
  ServerOptions options;
  options.model = "blocking";
  Running running(options, [&](Io& io, Stream stream) -> Task<> {
    handlers = stack_size();
    auto child = [&]() -> Task<> {
      childs = stack_size();
      co_return;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(child());
      co_return;
    };
    co_await with_task_group(io, body);
    co_await echo(io, std::move(stream));
  });
  running.start();
  running.connect().expect_echo("x");
  EXPECT_EQ(handlers, os::Thread::stack_size);
  EXPECT_EQ(childs, os::Thread::stack_size);
}

TEST(ServerLoops, SpreadConnectionsEvenly) {
  for (const Dials& dials : all_dials()) {
    if (dials.architecture != "loops") continue;
    ServerOptions options;
    options.model = dials.model;
    options.architecture = "loops";
    options.workers = 4;
    std::mutex mutex;
    std::map<const Io*, int> loads;
    Running running(options, [&](Io& io, Stream stream) -> Task<> {
      {
        const std::lock_guard lock(mutex);
        ++loads[&io];
      }
      co_await echo(io, std::move(stream));
    });
    running.start();
    std::vector<Peer> peers;
    for (int i = 1; i <= 22; ++i) {
      peers.push_back(running.connect());
      peers.back().expect_echo("x");
      const std::lock_guard lock(mutex);
      for (const auto& [io, load] : loads) EXPECT_LE(load, (i + 3) / 4) << dials.model;
      EXPECT_EQ(loads.size(), std::min(i, 4)) << dials.model;
    }
  }
}

}  // namespace
}  // namespace polyio::server_test
