// What the tests of ConnectionPool share: a server beside the pool, and one exchange.
#pragma once

#include <polyio/client/connection_pool.hpp>

#include "echo_server.hpp"

namespace polyio::client_test {

class PoolTest : public IoTest {
 protected:
  // Runs `body(group, server)` and stops the server.
  void with_server(const std::function<Task<>(TaskGroup&, EchoServer&)>& body) {
    run([&](TaskGroup& group) -> Task<> {
      EchoServer server(io(), group);
      co_await body(group, server);
      co_await server.stop();
    });
  }
  // An exchange on a lease of its own.
  Task<> use(ConnectionPool& pool, std::string text = "hello") {
    auto lease = co_await pool.acquire();
    POLYIO_REQUIRE(lease);
    auto good = co_await exchange(lease->stream(), text);
    EXPECT_TRUE(good);
  }
};
}  // namespace polyio::client_test
