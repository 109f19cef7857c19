// DatagramServer: one handler for all who send, on every model; stopping ends it.
#include <polyio/server/datagram_server.hpp>

#include "fixture.hpp"
#include "names.hpp"

namespace polyio::server_test {
namespace {

Task<> echo_datagrams(Io&, Datagram socket) {
  std::vector<std::byte> room(2'000);
  for (;;) {
    auto got = co_await socket.receive_from(room);
    if (!got) co_return;
    (void)co_await socket.send_to(std::span(room).first(got->size), got->from, got->to);
  }
}

// A client without polyio's I/O; what does not come within the limit fails the test.
class DatagramPeer {
 public:
  explicit DatagramPeer(const std::string& name)
      : socket_(os::bind_datagram(*os::Address::parse(name), os::Blocking::yes).value()) {
    const timeval most{limit.count(), 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  }
  void send(std::string_view text, const os::Address& to) {
    ::sendto(socket_.get(), text.data(), text.size(), 0, to.data(), to.size());
  }
  // From now on it takes nothing from another address.
  void connect(const os::Address& to) {
    EXPECT_EQ(::connect(socket_.get(), to.data(), to.size()), 0);
  }
  std::string receive() {
    char room[2'000];
    ssize_t count = 0;
    do {
      count = ::recv(socket_.get(), room, sizeof room, 0);
    } while (count < 0 && errno == EINTR);
    EXPECT_GE(count, 0) << "nothing came within the limit";
    return std::string(room, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }

 private:
  os::UniqueFd socket_;
};

class Datagrams : public testing::TestWithParam<std::string> {
 protected:
  DatagramServerOptions options(const std::string& listen = "127.0.0.1:0") const {
    return {.listen = listen, .model = GetParam(), .signals = false};
  }
};

std::vector<std::string> available_models() {
  std::vector<std::string> names;
  for (const ModelInfo& info : list_models()) {
    if (info.available) names.push_back(info.model);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Datagrams, testing::ValuesIn(available_models()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Datagrams, AreAnsweredToWhomTheyCameFrom) {
  const Names names;
  for (const auto& [server_name, peers] :
       {std::pair<std::string, std::vector<std::string>>{"127.0.0.1:0",
                                                         {"127.0.0.1:0", "127.0.0.1:0"}},
        {"[::1]:0", {"[::1]:0", "[::1]:0"}},
        {names.file("server"), {names.file("one"), names.abstract("two")}}}) {
    DatagramServer server(options(server_name), echo_datagrams);
    std::jthread thread([&] { server.run(); });
    std::vector<DatagramPeer> all;
    for (const std::string& name : peers) all.emplace_back(name);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].send(std::to_string(i), server.address());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].receive(), std::to_string(i));
    server.stop();
  }
  EXPECT_FALSE(std::filesystem::exists(names.path("server"))) << "left behind";
}

// A connected client, and every firewall, drops an answer from another address.
TEST_P(Datagrams, AreAnsweredFromTheAddressThatWasAsked) {
  using Asked = std::vector<std::string>;
  const std::pair<std::string, Asked> cases[] = {
      {"*:0", {"127.0.0.1", "127.0.0.2", "127.0.0.3"}},
      {"[::]:0", {"[::1]", "127.0.0.2"}},
  };
  for (const auto& [everywhere, asked] : cases) {
    DatagramServer server(options(everywhere), echo_datagrams);
    std::jthread thread([&] { server.run(); });
    for (const std::string& host : asked) {
      SCOPED_TRACE(host);
      const std::string name = fmt::format("{}:{}", host, server.address().port());
      const os::Address to = os::Address::parse(name).value();
      DatagramPeer peer(host.starts_with('[') ? "[::]:0" : "0.0.0.0:0");
      peer.connect(to);
      peer.send("hello", to);
      EXPECT_EQ(peer.receive(), "hello");
    }
    server.stop();
  }
}

TEST_P(Datagrams, StopBeforeItRuns) {
  DatagramServer server(options(), echo_datagrams);
  server.stop();
  server.run();
  server.stop();
}

TEST_P(Datagrams, AHandlerThatThrowsEndsIt) {
  DatagramServer server(options(), [](Io&, Datagram socket) -> Task<> {
    std::vector<std::byte> room(10);
    (void)co_await socket.receive_from(room);
    throw std::runtime_error("boom");
  });
  DatagramPeer peer("127.0.0.1:0");
  peer.send("x", server.address());
  EXPECT_THROW(server.run(), std::runtime_error);
  server.stop();
}

TEST(DatagramServerOptions, ThatMakeNoSenseAreRefused) {
  EXPECT_THROW(DatagramServer({.listen = "nowhere"}, echo_datagrams), std::invalid_argument);
  EXPECT_THROW(DatagramServer({.model = "pigeon"}, echo_datagrams), std::invalid_argument);
  DatagramServer first({.model = "epoll"}, echo_datagrams);
  EXPECT_THROW(DatagramServer({.listen = first.address().text()}, echo_datagrams),
               std::system_error);
}

}  // namespace
}  // namespace polyio::server_test
