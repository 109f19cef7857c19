#include "lab/statistics.hpp"

#include <gtest/gtest.h>

namespace polyio::lab {
namespace {

Series series(std::string name, std::vector<double> values) {
  Series made{std::move(name), {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    made.by_round[static_cast<unsigned>(i + 1)] = values[i];
  }
  return made;
}

TEST(Statistics, MedianAndQuartiles) {
  EXPECT_FALSE(spread_of({}));
  const auto one = spread_of({4});
  EXPECT_EQ(one->median, 4);
  EXPECT_EQ(one->low, 4);
  EXPECT_EQ(one->high, 4);
  const auto five = spread_of({5, 1, 4, 2, 3});
  EXPECT_EQ(five->median, 3);
  EXPECT_EQ(five->low, 2);
  EXPECT_EQ(five->high, 4);
  EXPECT_EQ(spread_of({1, 2, 3, 10})->median, 2.5);
}

TEST(Statistics, TheLeastIsFoundWithItsDistance) {
  const auto found =
      least_of({series("b", {12, 24, 36}), series("c", {90, 90, 90}), series("a", {10, 20, 30})});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best.name, "a");
  EXPECT_EQ(found->next.name, "b");
  // The rounds differ, the ratios within them do not.
  EXPECT_NEAR(found->distance, 0.2, 1e-9);
  EXPECT_NEAR(found->noise, 0, 1e-9);
  EXPECT_FALSE(found->within_noise);
}

TEST(Statistics, ASmallDifferenceIsWithinTheNoise) {
  const auto found = least_of({series("a", {10, 10, 10, 10}), series("b", {9, 10, 11, 12})});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->within_noise);
  EXPECT_GT(found->noise, found->distance);
}

TEST(Statistics, OneRoundSaysNothingOfTheNoise) {
  const auto found = least_of({series("a", {1}), series("b", {100})});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->within_noise);
}

TEST(Statistics, OneAloneIsNotCompared) {
  EXPECT_FALSE(least_of({series("a", {1, 2})}));
  EXPECT_FALSE(least_of({series("a", {1, 2}), series("failed", {})}));
  EXPECT_FALSE(least_of({}));
}

TEST(Statistics, RoundsThatOnlyOneHasAreNotCompared) {
  Series late{"late", {{2, 5.0}}};
  const auto found = least_of({series("a", {1, 2}), late});
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->distance, 1.5, 1e-9);
  EXPECT_TRUE(found->within_noise);  // they have one round in common
}

}  // namespace
}  // namespace polyio::lab
