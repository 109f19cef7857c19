// Generator: switch and saved state in one thread, one value at a time.
#include <gtest/gtest.h>

#include <memory>
#include <polyio/coro/generator.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace polyio {
namespace {

Generator<int> count(int from, int to) {
  for (int i = from; i < to; ++i) co_yield i;
}

TEST(Generator, YieldsInOrder) {
  std::vector<int> all;
  for (const int value : count(3, 7)) all.push_back(value);
  EXPECT_EQ(all, (std::vector{3, 4, 5, 6}));
  for (const int value : count(0, 0)) FAIL() << value;
}

TEST(Generator, RunsOnlyWhileItIsAsked) {
  std::string log;
  auto producer = [&]() -> Generator<int> {
    for (int i = 0;; ++i) {
      log += "p";
      co_yield i;
    }
  };
  auto generator = producer();
  EXPECT_EQ(log, "");
  for (const int value : generator) {
    log += "c";
    if (value == 2) break;
  }
  EXPECT_EQ(log, "pcpcpc");
}

TEST(Generator, ExceptionsReachTheReader) {
  auto fails = []() -> Generator<int> {
    co_yield 1;
    throw std::runtime_error("on purpose");
  };
  int seen = 0;
  EXPECT_THROW(for (const int value : fails()) seen += value, std::runtime_error);
  EXPECT_EQ(seen, 1);
}

TEST(Generator, AbandonedHalfWayFreesWhatItHolds) {
  auto token = std::make_shared<int>(0);
  auto holds = [](std::shared_ptr<int> held) -> Generator<int> {
    for (;;) co_yield *held;
  };
  {
    auto generator = holds(token);
    auto moved = std::move(generator);
    EXPECT_EQ(*moved.begin(), 0);
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Generator, Nested) {
  auto twice = [](int n) -> Generator<int> {
    for (const int value : count(0, n)) {
      co_yield value;
      co_yield value;
    }
  };
  std::vector<int> all;
  for (const int value : twice(2)) all.push_back(value);
  EXPECT_EQ(all, (std::vector{0, 0, 1, 1}));
}

}  // namespace
}  // namespace polyio
