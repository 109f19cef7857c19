// ConnectionPool: what happens to connections that are no longer good: the server hung up, sent
// data unasked or restarted, a check refuses them, their task died, the pool ends.
#include <stdexcept>

#include "pool_fixture.hpp"

namespace polyio {
namespace {

using namespace client_test;

class PoolHealth : public PoolTest {};
POLYIO_ON_EVERY_MODEL(PoolHealth);

TEST_P(PoolHealth, NoticesThatTheServerHungUp) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    co_await use(pool);
    server.hang_up();
    co_await until([&] { return server.open == 0; });
    auto lease = co_await pool.acquire();
    POLYIO_REQUIRE(lease);
    EXPECT_FALSE(lease->reused());
    auto good = co_await exchange(lease->stream(), "on a new one");
    EXPECT_TRUE(good);
    EXPECT_EQ(pool.statistics().failed_health, 1u);
    EXPECT_EQ(pool.statistics().created, 2u);
  });
}

TEST_P(PoolHealth, NoticesWhatWasSentUnasked) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    co_await use(pool);
    co_await server.say("unasked");
    auto lease = co_await pool.acquire();
    POLYIO_REQUIRE(lease);
    EXPECT_FALSE(lease->reused());
    auto good = co_await exchange(lease->stream(), "an answer of its own");
    EXPECT_TRUE(good);
    EXPECT_EQ(pool.statistics().failed_health, 1u);
  });
}

TEST_P(PoolHealth, NoticesItAlsoAfterTheLoopHasReadAhead) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    co_await use(pool);
    co_await server.say("unasked");
    co_await turns(20);  // io_uring's multishot receive takes it out of the socket
    auto lease = co_await pool.acquire();
    POLYIO_REQUIRE(lease);
    EXPECT_FALSE(lease->reused());
  });
}

TEST_P(PoolHealth, OutlivesARestartOfTheServer) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    co_await use(pool);
    co_await server.stop();
    auto refused = co_await pool.acquire();
    EXPECT_TRUE(failed_with(refused, std::errc::connection_refused));
    EXPECT_EQ(pool.statistics().connect_failed, 1u);
    EXPECT_EQ(pool.statistics().in_use, 0u);
    server.start();
    co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 2u);
  });
}

TEST_P(PoolHealth, AsksTheUsersHealthCheck) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    int asked = 0;
    auto ping = [&](Io&, Stream& stream) -> Task<bool> {
      ++asked;
      auto good = co_await exchange(stream, "ping");
      co_return good&& asked != 2;
    };
    ConnectionPool pool(io(), server.address, {.health = ping, .health_timeout = 1h});
    for (int i = 0; i < 4; ++i) co_await use(pool);
    EXPECT_EQ(asked, 3);
    EXPECT_EQ(pool.statistics().created, 2u);
    EXPECT_EQ(pool.statistics().reused, 2u);
    EXPECT_EQ(pool.statistics().failed_health, 1u);
  });
}

TEST_P(PoolHealth, AHealthCheckWithoutAnswerIsABadSign) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    auto listen = [](Io&, Stream& stream) -> Task<bool> {
      auto chunk = co_await stream.receive();  // nothing will ever come
      co_return chunk.has_value();
    };
    ConnectionPool pool(io(), server.address, {.health = listen, .health_timeout = 1ms});
    co_await use(pool);
    co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 2u);
    EXPECT_EQ(pool.statistics().failed_health, 1u);
  });
}

TEST_P(PoolHealth, ATaskThatThrowsHarmsNoOther) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    auto dies = [&]() -> Task<> {
      auto lease = co_await pool.acquire();
      POLYIO_REQUIRE(lease);
      auto sent = co_await lease->stream().send_all("an unexpected answer");
      EXPECT_TRUE(sent);
      throw std::runtime_error("in the middle of it");
    };
    bool thrown = false;
    try {
      co_await dies();
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    co_await use(pool, "an answer of its own");
    EXPECT_EQ(pool.statistics().discarded, 1u);
    EXPECT_EQ(pool.statistics().created, 2u);
  });
}

TEST_P(PoolHealth, ACancelledTasksConnectionIsNotUsedAgain) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    auto runs_late = [&]() -> Task<> {
      CancelScope limit(io());
      auto lease = co_await pool.acquire();
      POLYIO_REQUIRE(lease);
      limit.set_deadline(monotonic_now() + 1ms);
      auto slept = co_await io().sleep_until(never);
      EXPECT_TRUE(timed_out(slept));
    };
    co_await runs_late();
    EXPECT_EQ(pool.statistics().discarded, 1u);
    EXPECT_EQ(pool.statistics().in_use, 0u);
    co_await use(pool);
  });
}

TEST_P(PoolHealth, DiscardClosesAndFreesThePlace) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    auto lease = co_await pool.acquire();
    POLYIO_REQUIRE(lease);
    lease->discard();
    lease->discard();
    EXPECT_FALSE(*lease);
    EXPECT_EQ(pool.statistics().in_use, 0u);
    EXPECT_EQ(pool.statistics().idle, 0u);
    co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 2u);
  });
}

TEST_P(PoolHealth, ShutDownWaitsForWhatIsLent) {
  with_server([&](TaskGroup& group, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    bool down = false, refused = false;
    auto waiter = [&]() -> Task<> {
      auto lease = co_await pool.acquire();
      EXPECT_TRUE(failed_with(lease, std::errc::broken_pipe));
      refused = true;
    };
    auto ender = [&]() -> Task<> {
      auto ended = co_await pool.shut_down();
      EXPECT_TRUE(ended);
      down = true;
    };
    {
      auto lease = co_await pool.acquire();
      POLYIO_REQUIRE(lease);
      POLYIO_REQUIRE(group.spawn(waiter));
      co_await until([&] { return pool.statistics().waited == 1; });
      POLYIO_REQUIRE(group.spawn(ender));
      co_await until([&] { return refused; });
      co_await turns(20);
      EXPECT_FALSE(down);
      auto good = co_await exchange(lease->stream(), "still good");
      EXPECT_TRUE(good);
    }
    co_await until([&] { return down; });
    co_await until([&] { return server.open == 0; });
    auto later = co_await pool.acquire();
    EXPECT_TRUE(failed_with(later, std::errc::broken_pipe));
  });
}

TEST_P(PoolHealth, MayGoBeforeWhatItLent) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool::Lease lease;
    {
      ConnectionPool pool(io(), server.address);
      auto acquired = co_await pool.acquire();
      POLYIO_REQUIRE(acquired);
      lease = std::move(*acquired);
    }
    auto good = co_await exchange(lease.stream(), "the pool is gone");
    EXPECT_TRUE(good);
  });
}

}  // namespace
}  // namespace polyio
