// Ceilings, the bounded queue before them and what is past it, on every model and architecture.
#pragma once

#include <gmock/gmock.h>

#include "server/fixture.hpp"

namespace polyio::server_test {

class Limits : public ServerTest {
 protected:
  // Two places and two seats to wait on.
  static ServerOptions two_and_two() {
    auto limited = options();
    limited.max_connections = 2;
    limited.max_waiting = 2;
    limited.refusal = "too busy\n";
    return limited;
  }
};

TEST_P(Limits, PastTheQueueAClientIsTurnedAwayVisibly) {
  if (iterative()) {
    auto refused = two_and_two();
    EXPECT_THROW(Server(refused, echo), std::invalid_argument);
    return;
  }
  Running running(two_and_two(), echo);
  running.start();
  Peer first = running.connect(), second = running.connect();
  first.expect_echo("1");
  second.expect_echo("2");
  Peer third = running.connect();
  third.send("3");
  EXPECT_TRUE(until([&] { return running.statistics().waiting == 1; }));
  Peer fourth = running.connect();
  fourth.send("4");
  EXPECT_TRUE(until([&] { return running.statistics().waiting == 2; }));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    Peer fifth = running.connect();
    EXPECT_EQ(fifth.read_to_end(), "too busy\n");
    EXPECT_EQ(running.statistics().turned_away, i);
  }
  EXPECT_FALSE(third.anything_there());
  EXPECT_FALSE(fourth.anything_there());
  first.close();
  second.close();
  EXPECT_EQ(third.read(1), "3");
  EXPECT_EQ(fourth.read(1), "4");
  EXPECT_TRUE(until([&] { return running.statistics().waiting == 0; }));
  EXPECT_EQ(running.statistics().active, 2u);
  EXPECT_EQ(running.statistics().accepted, 7u);
}

// What a client meets that gets no processor between its handshake and the reset: connect(2) fails.
inline int reset_met_by_connect(const os::Address& address) {
  const auto socket = os::stream_socket(address.family(), os::Blocking::no);
  if (!socket) return socket.error().value();
  if (auto begun = os::start_connect(socket->get(), address); !begun) return begun.error().value();
  pollfd reset{socket->get(), 0, 0};
  if (::poll(&reset, 1, static_cast<int>(std::chrono::milliseconds(limit).count())) != 1) {
    return ETIMEDOUT;
  }
  return ::connect(socket->get(), address.data(), address.size()) != 0 ? errno : 0;
}

TEST_P(Limits, WithoutATextItIsAReset) {
  if (iterative()) return;  // nobody waits, so nobody is past the queue
  auto silent = two_and_two();
  silent.refusal.clear();
  silent.max_connections = 1;
  silent.max_waiting = 0;
  Running running(silent, echo);
  running.start();
  Peer first = running.connect();
  first.expect_echo("1");
  EXPECT_EQ(Peer::end_of_one(running.server->address()), ECONNRESET);
  EXPECT_EQ(reset_met_by_connect(running.server->address()), ECONNRESET);
  first.close();
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  running.connect().expect_echo("again");
}

TEST_P(Limits, WhoWaitsWhenItStopsIsToldSo) {
  if (iterative()) return;
  Running running(two_and_two(), echo);
  running.start();
  Peer first = running.connect(), second = running.connect();
  first.expect_echo("1");
  second.expect_echo("2");
  Peer third = running.connect();
  EXPECT_TRUE(until([&] { return running.statistics().waiting == 1; }));
  running.finish();
  EXPECT_EQ(third.read_to_end(), "too busy\n");
  EXPECT_EQ(running.statistics().turned_away, 1u);
  EXPECT_EQ(running.statistics().waiting, 0u);
}

}  // namespace polyio::server_test
