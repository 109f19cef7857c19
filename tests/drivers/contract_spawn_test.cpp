// What a TaskGroup starts: tasks, and functions that it keeps with what they captured.
#include <algorithm>
#include <polyio/io/per_io.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class SpawnTest : public ContractTest {
 public:
  Task<> add_one(int& sum) {
    auto yielded = co_await io().yield();
    EXPECT_TRUE(yielded);
    ++sum;
  }
};
POLYIO_ON_EVERY_MODEL(SpawnTest);

TEST_P(SpawnTest, AFunctionIsKeptWithWhatItCaptured) {
  std::vector<std::string> seen;
  run([&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(group.spawn([&, text = std::string(40, static_cast<char>('a' + i))]() -> Task<> {
        auto yielded = co_await io().yield();
        EXPECT_TRUE(yielded);
        seen.push_back(text);
      }));
    }
    co_return;
  });
  std::ranges::sort(seen);
  EXPECT_EQ(seen, (std::vector{std::string(40, 'a'), std::string(40, 'b'), std::string(40, 'c')}));
}

Task<> add(Io& io, int& sum, int number) {
  auto yielded = co_await io.yield();
  EXPECT_TRUE(yielded);
  sum += number;
}

TEST_P(SpawnTest, AFunctionIsCalledAtOnceWithItsArguments) {
  int sum = 0;
  auto add_some = [&](int number) -> Task<> { co_await add(io(), sum, number); };
  run([&](TaskGroup& group) -> Task<> {
    EXPECT_TRUE(group.spawn(add, io(), sum, 1));
    EXPECT_TRUE(group.spawn([&] { return add(io(), sum, 2); }));
    EXPECT_TRUE(group.spawn(std::ref(add_some), 3));
    EXPECT_TRUE(group.spawn(add_some, 4));
    EXPECT_TRUE(group.spawn(&SpawnTest::add_one, this, sum));
    co_return;
  });
  EXPECT_EQ(sum, 11);
}

TEST_P(SpawnTest, ANamedLambdaMayAwaitAnother) {
  int runs = 0;
  const auto outer = [&runs]() -> Task<> {
    ++runs;
    co_return;
  };
  run([&](TaskGroup& group) -> Task<> {
    EXPECT_TRUE(group.spawn(outer));
    auto inner = [&runs, &outer]() -> Task<> {
      co_await outer();
      ++runs;
    };
    EXPECT_TRUE(group.spawn(inner));
    while (group.running() > 0) {
      auto yielded = co_await io().yield();
      EXPECT_TRUE(yielded);
    }
  });
  EXPECT_EQ(runs, 3);
}

TEST_P(SpawnTest, StatePerIoEndsWithTheRunTheLastFirst) {
  std::vector<std::string> ends;
  struct Noted {
    Noted(std::vector<std::string>& to, std::string its_name) : ends(to), name(its_name) {}
    Noted(const Noted&) = delete;
    Noted& operator=(const Noted&) = delete;
    ~Noted() { ends.push_back(name); }
    std::vector<std::string>& ends;
    std::string name;
  };
  PerIo<Noted> first([&](Io&) { return std::make_unique<Noted>(ends, "first"); });
  PerIo<Noted> second([&](Io& io) {
    (void)first.of(io);
    return std::make_unique<Noted>(ends, "second");
  });
  const auto both = [&](TaskGroup&) -> Task<> {
    Noted& mine = second.of(io());
    EXPECT_EQ(&second.of(io()), &mine);
    EXPECT_EQ(ends.size() % 2, 0u);
    co_return;
  };
  run(both);
  EXPECT_EQ(ends, (std::vector<std::string>{"second", "first"}));
  run(both);
  EXPECT_EQ(ends.size(), 4u) << "each run has its own";
}

// --- misuse ends the process with the rule ---

TEST(MisuseDeath, AwaitingATaskTwice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto misuse = [] {
    Io io(*make_driver("epoll"));
    auto main = []() -> Task<> {
      auto one = []() -> Task<int> { co_return 1; };
      auto task = one();
      const int first = co_await task;
      const int second = co_await task;
      (void)(first + second);
    };
    io.run(main());
  };
  EXPECT_DEATH(misuse(), "misuse: a Task is awaited once");
}

}  // namespace
}  // namespace polyio::contract
