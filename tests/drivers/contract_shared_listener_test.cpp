// Contract: several Ios accept on the same listening socket, as the workers of a server may.
#include <polyio/io/cancel_scope.hpp>
#include <polyio/os/socket.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class SharedListenerTest : public ContractTest {
 protected:
  void SetUp() override {
    ContractTest::SetUp();
    if (model() == "sigio") GTEST_SKIP() << "the signals of a socket go to one loop only";
  }
};
POLYIO_ON_EVERY_MODEL(SharedListenerTest);

// An Io on a thread of its own that waits for one connection until it is destroyed.
class Other {
 public:
  Other(std::unique_ptr<Io> io, os::UniqueFd socket) : io_(std::move(io)) {
    thread_ = std::jthread(
        [this, owned = std::move(socket)]() mutable { io_->run(main(std::move(owned))); });
    waits_.wait(false);
  }
  ~Other() { over_ = true; }
  bool accepted() const { return accepted_; }

 private:
  Task<> main(os::UniqueFd socket) {
    auto listener = io_->adopt_listener(std::move(socket), true);
    POLYIO_REQUIRE(listener);
    auto accept = [this, &from = *listener]() -> Task<> {
      auto stream = co_await from.accept();
      accepted_ = stream.has_value();
    };
    auto until_over = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(accept);
      for (int i = 0; i < 3; ++i) (void)co_await io_->yield();
      waits_ = true;
      waits_.notify_one();
      while (!over_ && !accepted_) (void)co_await io_->sleep(1ms);
      group.cancel();
    };
    co_await with_task_group(*io_, until_over);
  }

  std::unique_ptr<Io> io_;
  std::atomic<bool> waits_{false}, over_{false}, accepted_{false};
  std::jthread thread_;
};

// The kernel may wake only one of them for a connection (io_uring): the one that has waited
// longest. Here that one stops before it gets to accept, while the other waits all the time.
TEST_P(SharedListenerTest, AConnectionIsNotLostWhenOneStops) {
  auto socket = os::listen_stream(*os::Address::parse("127.0.0.1:0"), 16, os::Blocking::no);
  ASSERT_TRUE(socket);
  const os::Address address = os::local_address(socket->get()).value();
  auto copy = os::duplicate(socket->get()).value();
  int accepted = 0;
  std::optional<Other> other;
  auto body = [&](TaskGroup& group) -> Task<> {
    auto listener = io().adopt_listener(std::move(*socket), true);
    POLYIO_REQUIRE(listener);
    CancelScope* waiting = nullptr;
    auto accept = [&, &from = *listener]() -> Task<> {
      CancelScope scope(io());
      waiting = &scope;
      auto stream = co_await from.accept();
      waiting = nullptr;
      if (stream) ++accepted;
    };
    (void)group.spawn(accept);
    co_await until([&] { return waiting != nullptr; });
    co_await turns(3);
    other.emplace(make_io(), std::move(copy));
    const Raw client = Raw::connect(address);
    waiting->cancel();
    const bool more = listener->stop_accepting();
    co_await until([&] { return waiting == nullptr; });
    while (more) {
      auto stream = co_await listener->accept();
      if (!stream) break;
      ++accepted;
    }
    listener->close();
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (accepted + other->accepted() == 0 && std::chrono::steady_clock::now() < end) {
      (void)co_await io().sleep(1ms);
    }
    EXPECT_EQ(accepted + other->accepted(), 1);
  };
  run(body);
  other.reset();
}

}  // namespace
}  // namespace polyio::contract
