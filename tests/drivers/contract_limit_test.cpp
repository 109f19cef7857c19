// Contract: when descriptors run out it is an error, told to who accepts, and not the end of the
// server.
#include <sys/resource.h>
#include <unistd.h>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class LimitTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(LimitTest);

// No further descriptor can be had while it lives.
class NoMoreFds {
 public:
  NoMoreFds() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const os::UniqueFd next(::dup(0));  // the lowest free number
    const rlimit none{static_cast<rlim_t>(next.get()), before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoMoreFds() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

Nanoseconds cpu_time_of_this_process() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

TEST_P(LimitTest, AcceptWithoutDescriptors) {
  auto body = [&](TaskGroup&) -> Task<> {
    Listener listener = listen();
    Raw raw = Raw::connect(*listener.local_address());
    {
      const NoMoreFds none;
      for (int i = 0; i < 3; ++i) {
        auto stream = co_await listener.accept();
        EXPECT_TRUE(failed_with(stream, std::errc::too_many_files_open));
      }
      // The connection stays queued, and whoever waits a while before he tries again does not spin.
      const Nanoseconds before = cpu_time_of_this_process();
      (void)co_await io().sleep(60ms);
      // Polling always does: poll_interval_test.cpp.
      if (model() != "nonblocking") {
        EXPECT_LT(cpu_time_of_this_process() - before, 30ms);
      }
    }
    auto stream = co_await listener.accept();
    POLYIO_REQUIRE(stream);
    raw.send("after all");
    auto got = co_await read(*stream, 9);
    EXPECT_EQ(got, "after all");
  };
  run(body);
}

// The accept waits already when the last descriptor goes. Where the kernel had set one aside when
// the accept began, it succeeds; else it is told EMFILE and the connection stays queued.
TEST_P(LimitTest, DescriptorsRunOutWhileAnAcceptWaits) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Listener listener = listen();
    os::UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    bool accepting = false, accepted = false;
    auto acceptor = [&]() -> Task<> {
      accepting = true;
      auto stream = co_await listener.accept();
      accepted = stream.has_value();
      EXPECT_TRUE(accepted || failed_with(stream, std::errc::too_many_files_open));
    };
    (void)group.spawn(acceptor);
    co_await until([&] { return accepting; });
    co_await turns(3);
    const os::Address address = *listener.local_address();
    {
      const NoMoreFds none;
      EXPECT_EQ(::connect(client.get(), address.data(), address.size()), 0);
      co_await until([&] { return group.running() == 0; });
    }
    if (accepted) co_return;
    auto stream = co_await listener.accept();
    EXPECT_TRUE(stream);
  };
  run(body);
}

TEST_P(LimitTest, ConnectAndListenWithoutDescriptors) {
  auto body = [&](TaskGroup&) -> Task<> {
    Listener listener = listen();
    const os::Address address = *listener.local_address();
    {
      const NoMoreFds none;
      auto stream = co_await io().connect(address);
      EXPECT_TRUE(failed_with(stream, std::errc::too_many_files_open));
      auto second = io().listen(*os::Address::parse("127.0.0.1:0"), 1);
      EXPECT_TRUE(failed_with(second, std::errc::too_many_files_open));
    }
    auto stream = co_await io().connect(address);
    EXPECT_TRUE(stream);
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
