// Server::set_model: the dial is turned under load, between every two models that can, and what
// can't be is refused with a reason.
#include <cstring>
#include <deque>
#include <polyio/base/random.hpp>

#include "server/fixture.hpp"

namespace polyio::server_test {
namespace {

std::vector<std::string> changeable() {
  std::vector<std::string> names;
  for (const ModelInfo& info : list_models()) {
    if (info.available && info.traits->unchangeable.empty()) names.push_back(info.model);
  }
  return names;
}

// Every model follows every other at least once.
std::vector<std::string> every_pair() {
  std::vector<std::string> order;
  const auto all = changeable();
  for (const std::string& one : all) {
    for (const std::string& other : all) {
      if (one != other) order.insert(order.end(), {one, other});
    }
  }
  return order;
}

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

// Sends the pattern round and round, in pieces of all sizes, beside a thread that reads and
// compares, until the end is asked for.
class Talker {
 public:
  Talker(const os::Address& address, std::size_t seed) : peer_(address), seed_(seed) {
    writer_ = std::thread([this] { write(); });
    reader_ = std::thread([this] { read(); });
  }
  ~Talker() {
    over_ = true;
    writer_.join();
    reader_.join();
    EXPECT_EQ(received_, sent_);
  }
  std::uint64_t received() const { return received_; }

 private:
  void write() {
    Random random(seed_);
    while (!over_) {
      const std::size_t at = sent_ % bytes_.size();
      const std::size_t most = random.chance(1, 8) ? bytes_.size() : 3'000;
      const auto piece = std::string_view(bytes_).substr(at, 1 + random.below(most));
      peer_.send(piece);
      sent_ += piece.size();
    }
    peer_.finish();
  }
  void read() {
    std::array<char, 40'000> room;
    for (;;) {
      const std::size_t at = received_ % bytes_.size();
      const std::size_t most = std::min(room.size(), bytes_.size() - at);
      const std::size_t got = peer_.read_some(std::span(room).first(most));
      if (got == 0) return;
      if (std::memcmp(room.data(), bytes_.data() + at, got) != 0)
        ADD_FAILURE() << "at " << received_;
      received_ += got;
    }
  }

  Peer peer_;
  const std::size_t seed_;
  const std::string bytes_ = pattern(200'003);
  std::atomic<std::uint64_t> sent_{0}, received_{0};
  std::atomic<bool> over_{false};
  std::thread writer_, reader_;
};

class SetModel : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Architectures, SetModel, testing::Values("loop", "loops"));

TEST_P(SetModel, NoByteIsLostBetweenAnyTwoModelsUnderLoad) {
  Running running({.architecture = GetParam(), .workers = 2, .signals = false}, echo);
  running.start();
  std::atomic<bool> over{false};
  std::uint64_t changes = 0;
  {
    std::deque<Talker> talkers;
    for (std::size_t i = 0; i < 5; ++i) talkers.emplace_back(running.server->address(), i);
    const Peer idle = running.connect();
    std::jthread comes_and_goes([&] {
      while (!over) running.connect().expect_echo("hello");
    });
    for (const std::string& model : every_pair()) {
      const std::uint64_t before = talkers[changes % talkers.size()].received();
      const ModelChange change = running.server->set_model(model);
      EXPECT_EQ(change.now, model);
      EXPECT_EQ(running.server->model(), model);
      EXPECT_TRUE(until([&] { return talkers[changes % talkers.size()].received() > before; }));
      ++changes;
    }
    over = true;
  }
  EXPECT_EQ(changes, every_pair().size());
  const ServerStatistics statistics = running.statistics();
  EXPECT_EQ(statistics.failed + statistics.refused + statistics.cut, 0u);
}

TEST(SetModelOnce, IterativeHasALoopToo) {
  Running running({.model = "epoll", .architecture = "iterative", .signals = false}, echo);
  running.start();
  Peer peer = running.connect();
  peer.expect_echo("one");
  EXPECT_EQ(running.server->set_model("poll").before, "epoll");
  peer.expect_echo("two");
}

TEST(SetModelOnce, TheSameModelIsNoChange) {
  Running running({.model = "epoll", .signals = false}, echo);
  running.start();
  ASSERT_TRUE(running.log.wait_for("") && until([&] { return running.listens(); }));
  const ModelChange change = running.server->set_model("epoll");
  EXPECT_EQ(change.before, change.now);
  EXPECT_FALSE(running.log.has("model:"));
}

std::string refusal(Server& server, std::string_view model) {
  try {
    (void)server.set_model(model);
    return "it was not refused";
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(SetModelOnce, WhatCannotBeIsRefusedByName) {
  const auto asked = [](ServerOptions options, std::string_view model) {
    options.signals = false;
    Server server(options, echo);
    const std::string before = server.model();
    const std::string text = refusal(server, model);
    EXPECT_EQ(server.model(), before);
    return text;
  };
  const auto expect = [&](const ServerOptions& options, std::string_view model,
                          std::string_view words) {
    const std::string text = asked(options, model);
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  expect({.model = "epoll"}, "epol", "unknown model epol");
  expect({.model = "epoll"}, "blocking", "one blocking call would hold up all connections");
  expect({.model = "epoll"}, "posix-aio", "can't be changed to while the server runs");
  expect({.model = "posix-aio"}, "epoll", "can't be changed from while the server runs");
  expect({.model = "epoll", .architecture = "thread-per-connection"}, "poll",
         "use architecture loop or loops");
  expect({.model = "epoll", .architecture = "prefork"}, "poll", "use architecture loop or loops");
  expect({.model = "epoll", .spin = 10us}, "nonblocking", "model nonblocking can't spin");
  expect({.model = "epoll"}, "poll", "the server does not run");
}

TEST(SetModelOnce, AServersOwnThreadCannotWaitForItself) {
  std::string text;
  std::optional<Running> running;
  const auto handler = [&](Io&, Stream stream) -> Task<> {
    text = refusal(*running->server, "poll");
    auto sent = co_await stream.send_all("x");
    (void)sent;
  };
  running.emplace(ServerOptions{.model = "epoll", .signals = false}, handler);
  running->start();
  EXPECT_EQ(running->connect().read(1), "x");
  EXPECT_NE(text.find("a loop can't wait for itself"), std::string::npos) << text;
}

TEST(SetModelOnce, AChangeThatTheEndOvertakesIsReported) {
  for (int i = 0; i < 20; ++i) {
    Running running({.model = "epoll", .signals = false}, echo);
    running.start();
    running.connect().expect_echo("x");
    std::jthread stopper([&] { running.server->stop(); });
    const std::string text = refusal(*running.server, i % 2 ? "poll" : "io_uring");
    EXPECT_TRUE(text == "it was not refused" || text.contains("the server does not run")) << text;
  }
}

}  // namespace
}  // namespace polyio::server_test
