// Where a server listens, on every model and architecture: several sockets, and inherited ones.
#pragma once

#include <gmock/gmock.h>

#include "server/fixture.hpp"

namespace polyio::server_test {

class Listening : public ServerTest {
 protected:
  // Sends `name` to each connection, then echoes.
  static Handler named(std::string name) {
    return [name](Io& io, Stream stream) -> Task<> {
      auto sent = co_await stream.send_all(name);
      if (sent) co_await echo(io, std::move(stream));
    };
  }
};

TEST_P(Listening, EachSocketHasItsHandler) {
  ServerOptions with = options();
  const std::string path = fmt::format("/tmp/polyio-listening-{}", ::getpid());
  with.also = {{.listen = "127.0.0.1:0", .handler = named("second")},
               {.listen = "unix:" + path, .handler = named("unixed")},
               {.listen = "*:0", .handler = named("anyone")}};
  if (iterative()) {
    EXPECT_THROW(Server(with, named("none")), std::invalid_argument);
    return;
  }
  {
    Running running(with, named("first."));
    running.start();
    const std::vector<os::Address> addresses = running.server->addresses();
    ASSERT_EQ(addresses.size(), 4u);
    EXPECT_EQ(addresses[0].text(), running.server->address().text());
    os::Address any = os::Address::parse("127.0.0.1:1").value();
    any.set_port(addresses[3].port());
    for (int round = 0; round < 2; ++round) {
      std::vector<Peer> peers;
      for (const os::Address& address : {addresses[0], addresses[1], addresses[2], any}) {
        peers.emplace_back(address);
      }
      EXPECT_EQ(peers[0].read(6), "first.");
      EXPECT_EQ(peers[1].read(6), "second");
      EXPECT_EQ(peers[2].read(6), "unixed");
      EXPECT_EQ(peers[3].read(6), "anyone");
      for (Peer& peer : peers) peer.expect_echo("and on");
    }
    running.finish();
    EXPECT_EQ(running.statistics().accepted, 8u);
    // The ports may be others' by now.
    EXPECT_THROW(Peer{addresses[2]}, std::system_error);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_P(Listening, AnInheritedSocketIsServed) {
  const auto address =
      os::Address::parse(fmt::format("unix:@polyio-inherited-{}", ::getpid())).value();
  auto socket = os::listen_stream(address, 16, os::Blocking::yes);
  ASSERT_TRUE(socket);
  Peer early(address);  // waits in the queue, as at a socket that a service manager holds
  ServerOptions with = options();
  with.listen = fmt::format("fd:{}", socket->get());
  Running running(with, echo);
  (void)socket->release();  // the server's
  EXPECT_EQ(running.server->address().text(), address.text());
  running.start();
  early.expect_echo("early");
  early.finish();
  EXPECT_EQ(early.read_to_end(), "");
  running.connect().expect_echo("late");
  running.finish();
  EXPECT_THROW(Peer{address}, std::system_error) << "no copy listens on";
}

}  // namespace polyio::server_test
