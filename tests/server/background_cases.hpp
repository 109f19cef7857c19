// What runs beside the handlers, on every model and architecture: background tasks, and state per
// Io.
#pragma once

#include <gmock/gmock.h>

#include <polyio/client/connection_pool.hpp>
#include <polyio/io/per_io.hpp>

#include "server/fixture.hpp"

namespace polyio::server_test {

// Fixture of the cases with background tasks: where none can be, the refusal is the case.
class BesideHandlers : public ServerTest {
 protected:
  bool refused() const {
    const bool loop = find_model(GetParam().model)->has_loop;
    const bool none = architecture() == Architecture::process_per_connection ||
                      ((iterative() || architecture() == Architecture::prefork) && !loop);
    if (!none) return false;
    ServerOptions with = options();
    with.background = {[](Background&) -> Task<> { co_return; }};
    EXPECT_THROW(Server(with, echo), std::invalid_argument);
    return true;
  }
};

TEST_P(BesideHandlers, TasksBeginBeforeTheFirstHandlerAndEndAfterTheLast) {
  if (refused()) return;
  struct Counts {
    std::atomic<int> begun, rounds, ended, handlers, early, late;
    std::atomic<unsigned> indices;  // a bit each
  };
  const Shared<Counts> counts;
  ServerOptions with = options();
  with.background = {[&](Background& background) -> Task<> {
    ++counts->begun;
    counts->indices |= 1u << background.index();
    for (;;) {
      const bool goes_on = co_await background.pause(1ms);
      if (!goes_on) break;
      ++counts->rounds;
    }
    EXPECT_TRUE(background.stopping());
    if (background.io().jobs() > 2) ++counts->late;  // the worker's main task and this one
    ++counts->ended;
  }};
  Running running(with, [&](Io& io, Stream stream) -> Task<> {
    if (counts->begun == 0) ++counts->early;
    ++counts->handlers;
    co_await echo(io, std::move(stream));
    --counts->handlers;
  });
  running.start();
  Peer peer = running.connect();
  peer.expect_echo("one");
  EXPECT_TRUE(until([&] { return counts->rounds >= 3; }));
  if (!iterative()) running.connect().expect_echo("another");
  peer.finish();
  running.finish();
  EXPECT_GE(counts->begun, 1);
  EXPECT_EQ(counts->ended, counts->begun);
  EXPECT_EQ(std::popcount(counts->indices.load()), counts->begun);
  EXPECT_EQ(counts->handlers, 0);
  EXPECT_EQ(counts->early, 0);
  EXPECT_EQ(running.statistics().cut, 0u);
  EXPECT_EQ(running.statistics().failed, 0u);
}

TEST_P(BesideHandlers, ATaskThatThrowsCostsNothingElse) {
  if (refused()) return;
  ServerOptions with = options();
  with.workers = 1;
  const Shared<std::atomic<int>> rounds;
  with.background = {[](Background&) -> Task<> { throw std::runtime_error("no backend"); },
                     [&](Background& background) -> Task<> {
                       for (;;) {
                         const bool goes_on = co_await background.pause(1ms);
                         if (!goes_on) co_return;
                         ++*rounds;
                       }
                     }};
  Running running(with, echo);
  running.start();
  running.connect().expect_echo("served");
  EXPECT_TRUE(running.log.wait_for("a background task threw: no backend"));
  EXPECT_TRUE(until([&] { return *rounds >= 3; }));
  running.finish();
  EXPECT_EQ(running.statistics().failed, 1u) << running.log.text();
}

TEST_P(BesideHandlers, ATaskThatDoesNotEndIsCut) {
  if (refused()) return;
  ServerOptions with = options();
  with.workers = 1;
  with.drain_timeout = 50ms;
  const Shared<std::atomic<int>> begun, ended;
  with.background = {[&](Background& background) -> Task<> {
    ++*begun;
    auto slept = co_await background.io().sleep(1h);
    EXPECT_EQ(slept.error(), std::errc::operation_canceled);
    const bool goes_on = co_await background.pause(1h);
    EXPECT_FALSE(goes_on);
    ++*ended;
  }};
  Running running(with, echo);
  running.start();
  running.connect().expect_echo("served");
  // Or it is cut too, where the machine is busy for longer than the drain time.
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  running.finish();
  EXPECT_GE(*begun, 1);
  EXPECT_EQ(*ended, *begun);
  EXPECT_EQ(running.statistics().cut, static_cast<unsigned>(*begun));
}

// An object that counts those of its kind.
struct Counted {
  struct Counts {
    std::atomic<int> made, gone, used;
  };
  explicit Counted(Counts& all) : counts(all) { ++counts.made; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { ++counts.gone; }
  Counts& counts;
};

TEST_P(BesideHandlers, StatePerIoIsMadeOnceAndEndsWithItsIo) {
  const Shared<Counted::Counts> counts;
  PerIo<Counted> states([&](Io&) { return std::make_unique<Counted>(*counts); });
  Running running(options(), [&](Io& io, Stream stream) -> Task<> {
    const Counted* const mine = &states.of(io);
    co_await echo(io, std::move(stream));
    EXPECT_EQ(mine, &states.of(io));
    ++counts->used;
  });
  running.start();
  const int many = static_cast<int>(at_once(6));
  {
    std::vector<Peer> peers;
    for (int i = 0; i < many; ++i) peers.push_back(running.connect());
    for (Peer& peer : peers) peer.expect_echo("x");
  }
  EXPECT_TRUE(until([&] { return counts->used == many; }));
  running.finish();
  EXPECT_GE(counts->made, 1);
  EXPECT_LE(counts->made, many);
  EXPECT_EQ(counts->gone, counts->made);
}

// The documented way to a connection pool: docs/beside-handlers.md.
TEST_P(BesideHandlers, APoolPerIoServesTheHandlers) {
  // In a process of its own where the server needs one without threads.
  std::function<void()> in_process;
  if (forks(GetParam().architecture)) in_process = [] {};
  Running backend({.model = "epoll", .signals = false}, echo, in_process);
  backend.start();
  const std::string address = backend.server->address().text();
  PerIo<ConnectionPool> pools(
      [&](Io& io) { return std::make_unique<ConnectionPool>(io, address); });
  Running running(options(), [&](Io& io, Stream stream) -> Task<> {
    for (;;) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      auto behind = co_await pools.of(io).acquire();
      EXPECT_TRUE(behind) << behind.error().message();
      if (!behind) co_return;
      auto sent = co_await behind->stream().send_all(chunk->bytes());
      EXPECT_TRUE(sent);
      auto answer = co_await behind->stream().receive();
      EXPECT_TRUE(answer);
      if (!answer) co_return;
      auto back = co_await stream.send_all(answer->bytes());
      if (!back) co_return;
    }
  });
  running.start();
  for (int round = 0; round < 2; ++round) {
    std::vector<Peer> peers;
    for (std::size_t i = 0; i < at_once(4); ++i) peers.push_back(running.connect());
    for (Peer& peer : peers) peer.expect_echo("through");
  }
  running.finish();
}

}  // namespace polyio::server_test
