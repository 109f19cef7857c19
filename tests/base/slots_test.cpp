// Slots: names that are kept too long are noticed, and giving back never allocates.
#include <gtest/gtest.h>

#include <polyio/base/slots.hpp>
#include <vector>

namespace polyio {
namespace {

TEST(Slots, ANameHoldsUntilItsEntryIsGivenBack) {
  Slots<int> slots;
  const std::uint32_t index = slots.take();
  const std::uint32_t generation = slots.generation_of(index);
  EXPECT_TRUE(slots.holds(index, generation));
  EXPECT_FALSE(slots.holds(index, generation + 1));
  EXPECT_FALSE(slots.holds(index + 1, generation));
  slots.give_back(index);
  EXPECT_FALSE(slots.holds(index, generation));
  EXPECT_EQ(slots.take(), index);
  EXPECT_FALSE(slots.holds(index, generation));
  EXPECT_TRUE(slots.holds(index, slots.generation_of(index)));
}

TEST(Slots, AnEntryIsAsNewWhenItIsTakenAgain) {
  Slots<int> slots;
  slots[slots.take()] = 5;
  slots.give_back(0);
  EXPECT_EQ(slots[slots.take()], 0);
}

TEST(Slots, GenerationsGoRound) {
  Slots<int, 2> slots;
  for (int i = 0; i < 4; ++i) slots.give_back(slots.take());
  EXPECT_EQ(slots.generation_of(0), 0u);
}

TEST(Slots, ManyAreTakenAndGivenBackInAnyOrder) {
  Slots<std::uint32_t> slots;
  std::vector<std::uint32_t> taken;
  for (int i = 0; i < 1000; ++i) taken.push_back(slots.take());
  for (const std::uint32_t index : taken) slots[index] = index;
  for (std::size_t i = 0; i < taken.size(); i += 2) slots.give_back(taken[i]);
  for (std::size_t i = 1; i < taken.size(); i += 2) {
    EXPECT_TRUE(slots.taken(taken[i]));
    EXPECT_EQ(slots[taken[i]], taken[i]);
  }
  for (int i = 0; i < 500; ++i) EXPECT_LT(slots.take(), 1000u) << "used again";
  EXPECT_EQ(slots.size(), 1000u);
}

}  // namespace
}  // namespace polyio
