// Signals: awaited by tasks, on every model.
#include <gtest/gtest.h>

#include <csignal>
#include <polyio/drivers/registry.hpp>
#include <polyio/exec/signals.hpp>
#include <polyio/io/cancel_scope.hpp>

namespace polyio {
namespace {

using namespace std::chrono_literals;

class SignalsTest : public testing::TestWithParam<std::string> {
 protected:
  Io io_{make_driver(GetParam()).value()};
};
INSTANTIATE_TEST_SUITE_P(All, SignalsTest, testing::ValuesIn([] {
                           std::vector<std::string> models;
                           for (const ModelInfo& one : list_models()) {
                             if (one.available) models.push_back(one.model);
                           }
                           return models;
                         }()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(SignalsTest, ComeInTheirOrder) {
  Signals signals{SIGUSR1, SIGUSR2};
  auto main = [&]() -> Task<> {
    for (const int number : {SIGUSR1, SIGUSR2, SIGUSR1}) {
      ::kill(::getpid(), number);
      auto arrived = co_await signals.next(io_);
      EXPECT_EQ(arrived.value_or(0), number);
    }
  };
  io_.run(main());
}

TEST_P(SignalsTest, OneThatCameBeforeIsNotLostAndAWaitHasItsScope) {
  Signals signals{SIGUSR1};
  ::kill(::getpid(), SIGUSR1);
  auto main = [&]() -> Task<> {
    auto arrived = co_await signals.next(io_);
    EXPECT_EQ(arrived.value_or(0), SIGUSR1);
    const CancelScope limit(io_, 1ms);
    auto none = co_await signals.next(io_);
    EXPECT_FALSE(none);
    if (!none) EXPECT_EQ(none.error(), std::errc::timed_out);
  };
  io_.run(main());
}

}  // namespace
}  // namespace polyio
