// ConnectionPool: what is used again, how many there are, which task is next, and the effects of
// deadlines, cancels and disorder.
#include <stdexcept>

#include "pool_fixture.hpp"

namespace polyio {
namespace {

using namespace client_test;

class Pool : public PoolTest {};
POLYIO_ON_EVERY_MODEL(Pool);

TEST_P(Pool, UsesAConnectionAgain) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    for (int i = 0; i < 5; ++i) co_await use(pool);
    const auto statistics = pool.statistics();
    EXPECT_EQ(statistics.created, 1u);
    EXPECT_EQ(statistics.reused, 4u);
    EXPECT_EQ(statistics.in_use, 0u);
    EXPECT_EQ(statistics.idle, 1u);
    EXPECT_EQ(server.accepted, 1);
  });
}

TEST_P(Pool, FindsItsServerByName) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address.text());
    co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 1u);
  });
  EXPECT_THROW(ConnectionPool(io(), "no port"), std::invalid_argument);
  EXPECT_THROW(ConnectionPool(io(), "localhost:1", {.ceiling = 0}), std::invalid_argument);
}

TEST_P(Pool, NeverPassesItsCeiling) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 3});
    std::size_t peak = 0;
    auto user = [&]() -> Task<> {
      for (int i = 0; i < 5; ++i) {
        auto lease = co_await pool.acquire();
        POLYIO_REQUIRE(lease);
        const auto now = pool.statistics();
        peak = std::max(peak, now.in_use);
        EXPECT_LE(now.in_use + now.idle, 3u);
        // The first three wait for the others to be in line.
        co_await until([&] { return pool.statistics().waited >= 9; });
        auto good = co_await exchange(lease->stream(), "number " + std::to_string(i));
        EXPECT_TRUE(good);
      }
    };
    auto body = [&](TaskGroup& users) -> Task<> {
      for (int i = 0; i < 12; ++i) POLYIO_REQUIRE(users.spawn(user));
      co_return;
    };
    co_await with_task_group(io(), body);
    const auto statistics = pool.statistics();
    EXPECT_EQ(peak, 3u);
    EXPECT_EQ(server.peak, 3);
    EXPECT_EQ(statistics.created, 3u);
    EXPECT_EQ(statistics.created + statistics.reused, 60u);
    EXPECT_GE(statistics.waited, 9u);
    EXPECT_EQ(statistics.in_use, 0u);
  });
}

TEST_P(Pool, LendsTheOneUsedLast) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address);
    os::Address last;
    {
      auto first = co_await pool.acquire();
      auto second = co_await pool.acquire();
      POLYIO_REQUIRE(first && second);
      last = *first->stream().local_address();
      *second = {};
      *first = {};
    }
    auto again = co_await pool.acquire();
    POLYIO_REQUIRE(again);
    EXPECT_TRUE(again->reused());
    EXPECT_EQ(again->stream().local_address()->text(), last.text());
  });
}

TEST_P(Pool, FirstComeFirstServed) {
  with_server([&](TaskGroup& group, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    std::vector<int> served;
    {
      auto held = co_await pool.acquire();
      POLYIO_REQUIRE(held);
      auto user = [&](int number) -> Task<> {
        auto lease = co_await pool.acquire();
        POLYIO_REQUIRE(lease);
        served.push_back(number);
      };
      for (int i = 0; i < 6; ++i) {
        POLYIO_REQUIRE(group.spawn(user, i));
        co_await until([&] { return pool.statistics().waited == std::uint64_t(i) + 1; });
      }
      EXPECT_TRUE(served.empty());
    }
    // A later task must not overtake.
    auto late = co_await pool.acquire();
    EXPECT_TRUE(late);
    EXPECT_EQ(served, (std::vector{0, 1, 2, 3, 4, 5}));
  });
}

TEST_P(Pool, ADeadlineEndsTheWaitInLine) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    {
      auto held = co_await pool.acquire();
      POLYIO_REQUIRE(held);
      auto late = co_await pool.acquire(monotonic_now() + 1ms);
      EXPECT_TRUE(timed_out(late));
      EXPECT_EQ(pool.statistics().timed_out, 1u);
      EXPECT_EQ(pool.statistics().waited, 1u);
    }
    co_await use(pool);  // the place was not given to the task that had left
  });
}

TEST_P(Pool, ACancelEndsTheWaitInLine) {
  with_server([&](TaskGroup& group, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 1});
    {
      auto held = co_await pool.acquire();
      POLYIO_REQUIRE(held);
      CancelScope* inner = nullptr;
      bool ended = false;
      auto user = [&]() -> Task<> {
        CancelScope scope(io());
        inner = &scope;
        auto lease = co_await pool.acquire();
        EXPECT_TRUE(cancelled(lease));
        ended = true;
      };
      POLYIO_REQUIRE(group.spawn(user));
      co_await until([&] { return pool.statistics().waited == 1; });
      inner->cancel();
      co_await until([&] { return ended; });
      EXPECT_EQ(pool.statistics().timed_out, 0u);
    }
    co_await use(pool);
  });
}

TEST_P(Pool, ACancelWhileConnectingGivesThePlaceOn) {
  with_server([&](TaskGroup& group, EchoServer& server) -> Task<> {
    Gate gate;
    std::atomic<bool> slow = true;
    Resolver resolver({.lookup = [&](const std::string&, std::uint16_t) {
      if (slow) gate.pass();
      return Result<std::vector<os::Address>>(std::vector{server.address});
    }});
    const std::string target = "slow.test:" + std::to_string(server.address.port());
    ConnectionPool pool(io(), target, {.ceiling = 1, .connecting = {.resolver = &resolver}});
    CancelScope* inner = nullptr;
    auto first = [&]() -> Task<> {
      CancelScope scope(io());
      inner = &scope;
      auto lease = co_await pool.acquire();
      EXPECT_TRUE(cancelled(lease));
    };
    bool served = false;
    auto second = [&]() -> Task<> {
      co_await use(pool);
      served = true;
    };
    POLYIO_REQUIRE(group.spawn(first));
    co_await until([&] { return gate.begun == 1; });
    POLYIO_REQUIRE(group.spawn(second));
    co_await until([&] { return pool.statistics().waited == 1; });
    slow = false;
    inner->cancel();
    co_await until([&] { return served; });
    EXPECT_EQ(pool.statistics().created, 1u);
    EXPECT_EQ(pool.statistics().in_use, 0u);
    gate.open();
  });
}

TEST_P(Pool, ClosesWhatIsIdleForLong) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.idle_time = 2ms});
    {
      auto first = co_await pool.acquire();
      auto second = co_await pool.acquire();
      EXPECT_TRUE(first && second);
    }
    co_await until([&] { return pool.statistics().closed_idle == 2; });
    co_await until([&] { return server.open == 0; });
    EXPECT_EQ(pool.statistics().idle, 0u);
    co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 3u);
  });
}

TEST_P(Pool, ClosesWhatIsTooOld) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.max_age = 1ns});
    for (int i = 0; i < 3; ++i) co_await use(pool);
    EXPECT_EQ(pool.statistics().created, 3u);
    EXPECT_EQ(pool.statistics().closed_idle, 3u);
  });
}

// Deadlines, discards and hang-ups at random: no place is lost, none is made up.
TEST_P(Pool, KeepsItsBooksInDisorder) {
  with_server([&](TaskGroup&, EchoServer& server) -> Task<> {
    ConnectionPool pool(io(), server.address, {.ceiling = 3, .idle_time = 1ms});
    Random random(7);
    auto user = [&](int limit_us, bool discards) -> Task<> {
      CancelScope scope(io(), std::chrono::microseconds(limit_us));
      auto lease = co_await pool.acquire();
      const auto now = pool.statistics();
      EXPECT_LE(now.in_use + now.idle, 3u);
      if (!lease) co_return;
      auto good = co_await exchange(lease->stream(), "hello");
      if (!good || discards) lease->discard();
    };
    auto body = [&](TaskGroup& users) -> Task<> {
      for (int i = 0; i < 150; ++i) {
        (void)users.spawn(user, static_cast<int>(random.below(3000)), random.chance(1, 5));
        if (random.chance(1, 20)) server.hang_up();
        if (random.chance(1, 3)) co_await turns(2);
      }
    };
    co_await with_task_group(io(), body);
    EXPECT_EQ(pool.statistics().in_use, 0u);
    co_await use(pool);
  });
}

}  // namespace
}  // namespace polyio
