// Generator: switch and saved state in one thread, one value at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <polyio/coro/generator.hpp>
#include <ranges>
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

TEST(Generator, AnotherInItsPlaceFreesTheFirst) {
  auto token = std::make_shared<int>(0);
  auto holds = [](std::shared_ptr<int> held) -> Generator<int> { co_yield *held; };
  auto generator = holds(token);
  auto other = holds(nullptr);
  generator = std::move(other);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Generator, WhatIsMadeInTheYieldLivesWhileItIsRead) {
  auto words = []() -> Generator<std::string> {
    co_yield std::string(40, 'a');
    co_yield "b";
  };
  std::vector<std::string> all;
  for (auto&& word : words()) all.push_back(std::move(word));
  EXPECT_EQ(all, (std::vector{std::string(40, 'a'), std::string("b")}));
}

TEST(Generator, AReaderThatMovesTakesNothingFromTheCoroutine) {
  auto same = [](int times) -> Generator<std::string> {
    const std::string fixed(40, 'f');
    std::string word(40, 'w');
    for (int i = 0; i < times; ++i) {
      co_yield fixed;
      co_yield word;
    }
    EXPECT_EQ(word, std::string(40, 'w'));
  };
  std::vector<std::string> all;
  for (std::string word : same(2)) all.push_back(std::move(word));
  EXPECT_EQ(all, (std::vector{std::string(40, 'f'), std::string(40, 'w'), std::string(40, 'f'),
                              std::string(40, 'w')}));
}

TEST(Generator, MoveOnlyValuesAreHandedOver) {
  auto boxes = [](int count) -> Generator<std::unique_ptr<int>> {
    for (int i = 0; i < count; ++i) co_yield std::make_unique<int>(i);
    auto named = std::make_unique<int>(count);
    co_yield std::move(named);
    EXPECT_EQ(named, nullptr) << "the reader has it";
  };
  std::vector<std::unique_ptr<int>> all;
  for (auto&& box : boxes(2)) all.push_back(std::move(box));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(*all[0] + *all[1] + *all[2], 3);
}

TEST(Generator, OfReferencesYieldsTheVariableItself) {
  std::vector<int> numbers{1, 2, 3};
  auto each = [](std::vector<int>& of) -> Generator<int&> {
    for (int& number : of) co_yield number;
  };
  for (int& number : each(numbers)) number *= 10;
  EXPECT_EQ(numbers, (std::vector{10, 20, 30}));
  auto look = [](const std::vector<int>& of) -> Generator<const int&> {
    for (const int& number : of) co_yield number;
    co_yield 4;  // what is made here lives until the next is asked for
  };
  std::vector<const int*> places;
  int sum = 0;
  for (const int& number : look(numbers)) {
    places.push_back(&number);
    sum += number;
  }
  EXPECT_EQ(places[2], &numbers[2]);
  EXPECT_EQ(sum, 64);
}

static_assert(std::ranges::input_range<Generator<int>>);
static_assert(std::ranges::input_range<Generator<int&>>);
static_assert(std::ranges::input_range<Generator<const std::string&>>);
static_assert(std::ranges::input_range<Generator<std::unique_ptr<int>>>);
static_assert(!std::ranges::forward_range<Generator<int>>, "it is read once");
static_assert(std::is_same_v<std::ranges::range_value_t<Generator<const int&>>, int>);

TEST(Generator, IsARangeForViewsAndAlgorithms) {
  std::vector<int> all;
  auto even = [](int number) { return number % 2 == 0; };
  auto square = [](int number) { return number * number; };
  for (const int number : count(0, 1'000'000'000) | std::views::filter(even) |
                              std::views::transform(square) | std::views::drop(1) |
                              std::views::take(3)) {
    all.push_back(number);
  }
  EXPECT_EQ(all, (std::vector{4, 16, 36}));
  auto named = count(1, 5);  // stays what it is: the view refers to it
  int sum = 0;
  std::ranges::for_each(named | std::views::take_while([](int number) { return number < 4; }),
                        [&](int number) { sum += number; });
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(std::ranges::count_if(count(0, 10), even), 5);
}

TEST(Generator, AfterAnExceptionItHasEnded) {
  auto fails = []() -> Generator<int> {
    co_yield 1;
    throw std::runtime_error("on purpose");
  };
  auto generator = fails();
  auto at = generator.begin();
  EXPECT_FALSE(at == generator.end());
  EXPECT_THROW(++at, std::runtime_error);
  EXPECT_TRUE(at == generator.end());
}

TEST(GeneratorDeathTest, IsReadOnce) {
  auto generator = count(0, 3);
  for (const int value : generator) EXPECT_GE(value, 0);
  EXPECT_DEATH(generator.begin(), "a Generator is read once");
  auto moved = std::move(generator);
  EXPECT_DEATH(generator.begin(), "a Generator is read once");
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
