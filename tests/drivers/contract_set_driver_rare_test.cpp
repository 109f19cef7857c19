// Contract: Io::set_driver beside wake-ups from other threads and under a connect that waits, and
// what it refuses.
#include <fcntl.h>

#include <polyio/os/socket.hpp>

#include "set_driver.hpp"

namespace polyio::contract {
namespace {

class RareSetDriverTest : public SetDriverTest {};
POLYIO_ON_EVERY_MODEL(RareSetDriverTest);

// Another thread wakes the loop while its driver is replaced.
TEST_P(RareSetDriverTest, NoWakeUpIsLost) {
  run([&](TaskGroup&) -> Task<> {
    std::atomic<int> posted{0}, ran{0};
    std::atomic<bool> over{false};
    std::jthread poster([&] {
      while (!over) {
        ++posted;
        io().post([&] { ++ran; });
        while (!over && posted - ran > 10) std::this_thread::yield();
      }
    });
    const auto all = targets();
    for (int i = 0; i < 100; ++i) {
      change(all[static_cast<std::size_t>(i) % all.size()]);
      const int before = ran;
      co_await until([&] { return ran > before; });
    }
    over = true;
    poster.join();
    co_await until([&] { return ran == posted; });
  });
}

class DeepSetDriverTest : public SetDriverTest {};
POLYIO_ON_EVERY_MODEL(DeepSetDriverTest);

// The listener's queue is full, so the kernel repeats its SYN after a second.
TEST_P(DeepSetDriverTest, AConnectThatWaitsGoesOn) {
  run([&](TaskGroup&) -> Task<> {
    for (const char* to : {"io_uring", "epoll"}) {
      SCOPED_TRACE(to);
      auto full = os::listen_stream(*os::Address::parse("127.0.0.1:0"), 0, os::Blocking::yes);
      const os::Address address = os::local_address(full->get()).value();
      const Raw first = Raw::connect(address);
      bool connected = false;
      auto connect = [&]() -> Task<> {
        auto stream = co_await io().connect(address);
        EXPECT_TRUE(stream) << stream.error().message();
        connected = stream.has_value();
      };
      auto all = [&](TaskGroup& group) -> Task<> {
        (void)group.spawn(connect);
        co_await turns(3);
        change(to);
        co_await turns(3);
        EXPECT_FALSE(connected);
        EXPECT_TRUE(os::accept(full->get(), os::Blocking::yes));
      };
      co_await with_task_group(io(), all);
      EXPECT_TRUE(connected);
      change(model());
    }
  });
}

class RefusedDriverTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(RefusedDriverTest);

TEST_P(RefusedDriverTest, WhatCannotIsRefusedAndNothingChanges) {
  run([&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    Driver* const before = &io().driver();
    for (const ModelInfo& info : list_models()) {
      if (!info.available || (!stays_fixed(info.model) && !stays_fixed(model()))) continue;
      auto other = make_driver(info.model);
      if (!other) continue;
      auto set = io().set_driver(std::move(*other));
      EXPECT_TRUE(failed_with(set, std::errc::operation_not_supported)) << info.model;
    }
    EXPECT_EQ(&io().driver(), before);
    raw.send("ok");
    auto got = co_await read(stream, 2);
    EXPECT_EQ(got, "ok");
  });
}

TEST_P(RareSetDriverTest, SelectRefusesADescriptorThatIsTooLarge) {
  if (model() == "select") GTEST_SKIP() << "it is the other way round";
  run([&](TaskGroup&) -> Task<> {
    auto [near, raw] = raw_pair();
    const os::UniqueFd low = near.take();
    os::UniqueFd high(::fcntl(low.get(), F_DUPFD_CLOEXEC, 1500));
    auto stream = io().adopt(std::move(high));
    POLYIO_REQUIRE(stream);
    auto refused = set("select");
    EXPECT_TRUE(failed_with(refused, std::errc::value_too_large));
    EXPECT_EQ(io().driver().name(), model());
    raw.send("ok");
    auto got = co_await read(*stream, 2);
    EXPECT_EQ(got, "ok");
  });
}

}  // namespace
}  // namespace polyio::contract
