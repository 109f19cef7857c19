// Memory that can't be had costs the client that it was for, and no other: of a conversation every
// allocation in the server's threads fails once, on one server.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <chat/model/chat.hpp>
#include <chat/sessions/sessions.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>

#include <algorithm>
#include <array>
#include <future>
#include <optional>
#include <thread>

#include "no_memory.hpp"
#include "server/fixture.hpp"
#include "support/eventually.hpp"

namespace polyio::chat {
namespace {

using namespace std::chrono_literals;

// A client without polyio's I/O. It may be cut off at any time.
class Peer {
 public:
  explicit Peer(const os::Address& server)
      : socket_(os::stream_socket(server.family(), os::Blocking::yes).value()) {
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(socket_.get(), server.data(), server.size()) != 0) ended_ = true;
  }
  void send(std::string_view text) const {
    (void)!::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  // Reads to the end of `what` and returns what came before it; nothing: the connection has ended.
  std::optional<std::string> hear(std::string_view what) {
    for (;;) {
      if (const auto at = heard_.find(what); at != std::string::npos) {
        std::string before = heard_.substr(0, at);
        heard_.erase(0, at + what.size());
        return before;
      }
      std::array<char, 4096> room;
      const ssize_t got = ended_ ? 0 : ::recv(socket_.get(), room.data(), room.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) {
        ADD_FAILURE() << "neither " << what << " nor the end, but " << heard_;
      }
      if (got > 0) {
        heard_.append(room.data(), static_cast<std::size_t>(got));
      } else {
        ended_ = true;
        return std::nullopt;
      }
    }
  }

 private:
  os::UniqueFd socket_;
  std::string heard_;
  bool ended_ = false;
};

// What a client of each kind asks for; each gets all of it or is cut off.
void converse(const os::Address& server) {
  Peer line(server), page(server);
  page.send(
      "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  (void)page.hear(R"("type":"room")");
  line.send("/nick ann\n");
  const auto begin = line.hear("-- "), answer = begin ? line.hear("\n") : begin;
  if (answer) {
    EXPECT_EQ(*answer, "you are ann now");
  }
  line.send("hello\n");
  // That a message was skipped or refused is an answer too.
  const auto answered = [&line] {
    const auto text = line.hear("\n");
    return !text || text->contains("hello") || text->contains("skipped") ||
           text->contains("there was no memory");
  };
  while (!answered()) continue;
  line.send("/history\n");
  (void)line.hear("hello\n");
  line.send("/who\n");
  (void)line.hear(" here:\n");
  line.send("quit\n");
  while (line.hear("\n")) continue;
}

bool only_this_one_is_here(const os::Address& server) {
  Peer last(server);
  last.send("/who\n");
  const auto count = last.hear(" here:\n");
  return count && *count == "-- 1";
}

using ShortOfMemory = server_test::ServerTest;

TEST_P(ShortOfMemory, CostsTheClientThatItWasFor) {
#if POLYIO_ASAN || POLYIO_TSAN
  GTEST_SKIP() << "operator new is the sanitizer's";
#endif
  chat_test::spared = true;
  Chat chat({});
  ServerOptions options = ServerTest::options();
  options.one_process = true;
  options.log = [](std::string_view) {};
  std::promise<void> ready;
  options.on_ready = [&ready](const Server&) { ready.set_value(); };
  Server server(std::move(options),
                [&chat](Io&, Stream stream) { return serve_connection(chat, std::move(stream)); });
  chat.open(server.homes());
  std::jthread running([&server] { server.run(); });
  ready.get_future().wait();
  const os::Address& address = server.address();
  converse(address);
  int failed = 0;
  for (bool whole = false; !whole && !HasFailure(); ++failed) {
    SCOPED_TRACE(failed);
    chat_test::allocations_left = failed + 1;
    converse(address);
    whole = chat_test::allocations_left.exchange(0) > 0;
    EXPECT_TRUE(test::eventually([&] { return only_this_one_is_here(address); }))
        << "after " << failed;
  }
  EXPECT_GT(failed, 50);
  RecordProperty("allocations", failed);
  server.stop();
}

// All models, and of three that differ all architectures that have rooms.
std::vector<server_test::Position> with_rooms() {
  std::vector<server_test::Position> some;
  for (auto& dials : server_test::all_dials(false)) {
    if (dials.architecture == "iterative") continue;
    const std::string& model = dials.model;
    const bool all = model == "epoll" || model == "io_uring" || model == "blocking";
    if (all || dials.architecture == "loop") some.push_back(std::move(dials));
  }
  return some;
}
INSTANTIATE_TEST_SUITE_P(All, ShortOfMemory, testing::ValuesIn(with_rooms()),
                         server_test::dials_name);

}  // namespace
}  // namespace polyio::chat
