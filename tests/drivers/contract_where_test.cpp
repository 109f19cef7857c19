// Contract: a connection is served the same wherever it runs: on the Io that accepted it, handed to
// another Io's thread, or on an Io and a thread of its own. The clients are raw sockets on threads
// of their own.
#include <algorithm>
#include <list>
#include <polyio/sync/event.hpp>
#include <polyio/sync/semaphore.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

struct Place {
  const char* model;
  const char* where;
  friend void PrintTo(const Place& place, std::ostream* out) {
    *out << place.model << " / " << place.where;
  }
};

Task<> echo(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

// An echo server on threads of its own; stopped and joined by its destructor.
class Server {
 public:
  explicit Server(const Place& place) : place_(place) {
    if (where("loops")) {
      other_thread_ = std::thread([this] { run_other(); });
      ready_.acquire();
    }
    thread_ = std::thread([this] { run_acceptor(); });
    ready_.acquire();
  }
  ~Server() {
    acceptor_->post([this] { accepting_->cancel(); });
    thread_.join();
    stop_.set();
    if (other_thread_.joinable()) other_thread_.join();
    for (std::thread& thread : own_threads_) thread.join();
  }
  os::Address address() const { return address_; }

 private:
  bool where(std::string_view name) const { return place_.where == name; }
  std::unique_ptr<Io> make_io(bool one_connection = false) const {
    return std::make_unique<Io>(
        make_driver(place_.model, {.one_connection = one_connection}).value());
  }

  void run_acceptor() {
    auto io = make_io();
    acceptor_ = io.get();
    auto body = [&](TaskGroup& group) -> Task<> {
      auto listener = io->listen(*os::Address::parse("127.0.0.1:0"), 512);
      POLYIO_REQUIRE(listener);
      address_ = *listener->local_address();
      CancelScope scope(*io);
      accepting_ = &scope;
      ready_.release();
      for (;;) {
        auto stream = co_await listener->accept();
        if (!stream && cancelled(stream)) break;
        if (stream) hand_over(group, std::move(*stream));
      }
    };
    io->run(with_task_group(*io, body));
    EXPECT_EQ(io->jobs(), 0u);
    EXPECT_EQ(io->timers(), 0u);
  }

  void hand_over(TaskGroup& group, Stream stream) {
    if (where("loop")) {
      Io& io = stream.io();
      auto spawned = group.spawn(echo, io, std::move(stream));
      EXPECT_TRUE(spawned);
      return;
    }
    auto socket = stream.release();
    ASSERT_TRUE(socket);
    if (where("loops")) {
      other_->post([this, fd = std::move(*socket)]() mutable {
        auto adopted = other_->adopt(std::move(fd));
        ASSERT_TRUE(adopted);
        auto spawned = others_->spawn(echo, *other_, std::move(*adopted));
        EXPECT_TRUE(spawned);
      });
      return;
    }
    own_threads_.emplace_back([this, fd = std::move(*socket)]() mutable {
      auto io = make_io(true);
      auto adopted = io->adopt(std::move(fd));
      ASSERT_TRUE(adopted);
      io->run(echo(*io, std::move(*adopted)));
      EXPECT_EQ(io->jobs(), 0u);
    });
  }

  void run_other() {
    auto io = make_io();
    other_ = io.get();
    auto body = [&](TaskGroup& group) -> Task<> {
      others_ = &group;
      ready_.release();
      (void)co_await stop_.wait(*io);
    };
    io->run(with_task_group(*io, body));
    EXPECT_EQ(io->jobs(), 0u);
  }

  const Place place_;
  Semaphore ready_{0};
  Event stop_;
  os::Address address_;
  Io* acceptor_ = nullptr;
  Io* other_ = nullptr;
  CancelScope* accepting_ = nullptr;
  TaskGroup* others_ = nullptr;
  std::thread thread_, other_thread_;
  std::list<std::thread> own_threads_;
};

class WhereTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    skip_unless_available(GetParam().model);
    fds_ = open_fds();
  }
  void TearDown() override { EXPECT_EQ(open_fds(), fds_) << "descriptors leaked"; }

 private:
  int fds_ = 0;
};

std::string name_of_place(const testing::TestParamInfo<Place>& info) {
  std::string name = std::string(info.param.model) + "_" + info.param.where;
  std::erase(name, '-');
  return name;
}

// Tasks of one thread, handed to a second, and for each connection a thread where the model allows.
std::vector<Place> places() {
  constexpr std::string_view own_thread = "thread-per-connection";
  std::vector<Place> all;
  for (const ModelInfo& info : list_models()) {
    if (!info.available && !info.traits->make) continue;
    const char* const model = info.traits->name.data();
    all.insert(all.end(), {{model, "loop"}, {model, "loops"}});
    if (std::ranges::find(info.architectures, own_thread) != info.architectures.end()) {
      all.push_back({model, own_thread.data()});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Every, WhereTest, testing::ValuesIn(places()), name_of_place);

TEST_P(WhereTest, EchoesTwoHundredConnections) {
  Server server(GetParam());
  std::vector<Raw> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Raw::connect(server.address()));
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i].send(pattern(100, i));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(clients[i].read(100), pattern(100, i));
    }
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (i % 10 != 0) {  // each end keeps its port for a minute (TIME-WAIT), and there are 28,000
      clients[i].reset();
      continue;
    }
    clients[i].shutdown_send();
    EXPECT_EQ(clients[i].read_to_end(), "");
  }
}

TEST_P(WhereTest, ByteAtATime) {
  Server server(GetParam());
  Raw client = Raw::connect(server.address());
  const std::string text = pattern(300);
  for (std::size_t i = 0; i < text.size(); ++i) {
    client.send(std::string_view(text).substr(i, 1));
    if (i % 2 == 0) continue;
    EXPECT_EQ(client.read(2), text.substr(i - 1, 2));
  }
}

TEST_P(WhereTest, LargeTransfersThroughSmallSockets) {
  Server server(GetParam());
  std::vector<std::jthread> clients;
  for (std::uint64_t number = 0; number < 3; ++number) {
    clients.emplace_back([&server, number] {
      Raw client = Raw::connect(server.address(), 64 * 1024);
      const std::string bytes = pattern(4 << 20, number);
      std::jthread writer([&] {
        client.send(bytes);
        client.shutdown_send();
      });
      EXPECT_TRUE(client.read_to_end() == bytes);
    });
  }
}

TEST_P(WhereTest, ResetsHarmNobodyElse) {
  Server server(GetParam());
  Raw steady = Raw::connect(server.address());
  for (int i = 0; i < 60; ++i) {
    Raw client = Raw::connect(server.address());
    if (i % 3) client.send("going, ");
    if (i % 3 == 2) (void)client.read(1);
    client.reset();
    steady.send("still here");
    EXPECT_EQ(steady.read(10), "still here");
  }
}

}  // namespace
}  // namespace polyio::contract
