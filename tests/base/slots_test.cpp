// Slots: names that are kept too long are noticed, and giving back never allocates.
#include <gtest/gtest.h>

#include <polyio/base/slots.hpp>

namespace polyio {
namespace {

TEST(Slots, ANameHoldsUntilItsEntryIsGivenBack) {
  Slots<int> slots;
  EXPECT_FALSE(slots.holds(7, 0));
  const std::uint32_t generation = slots.take(7);
  EXPECT_TRUE(slots.holds(7, generation));
  EXPECT_FALSE(slots.holds(7, generation + 1));
  EXPECT_FALSE(slots.holds(8, generation));
  slots.give_back(7);
  EXPECT_FALSE(slots.holds(7, generation));
  const std::uint32_t next = slots.take(7);
  EXPECT_NE(next, generation);
  EXPECT_FALSE(slots.holds(7, generation));
  EXPECT_TRUE(slots.holds(7, next));
}

TEST(Slots, AnEntryIsAsNewWhenItIsTakenAgain) {
  Slots<int> slots;
  slots.take(3);
  slots[3] = 5;
  EXPECT_EQ(slots.give_back(3), 5);
  slots.take(3);
  EXPECT_EQ(slots[3], 0);
}

TEST(Slots, GenerationsGoRound) {
  Slots<int> slots;
  slots.make_room(0);
  slots.take_as(0, Slots<int>::generation_mask);
  slots.give_back(0);
  EXPECT_EQ(slots.take(0), 0u);
}

TEST(Slots, AnEntryKeepsTheNameThatItHadInAnotherTable) {
  Slots<int> before, after;
  before.take(100);
  before.give_back(100);
  const std::uint32_t generation = before.take(100);
  after.make_room(100);
  after.take_as(100, generation);
  EXPECT_TRUE(after.holds(100, generation));
  after.give_back(100);
  EXPECT_FALSE(after.holds(100, generation));
}

TEST(Slots, ALargeIndexMakesNoRoomForThoseBelow) {
  Slots<std::uint64_t> slots;
  slots.take(1'000'000);
  EXPECT_TRUE(slots.taken(1'000'000));
  EXPECT_FALSE(slots.taken(0));
  EXPECT_FALSE(slots.taken(999'999));
  EXPECT_FALSE(slots.taken(5'000'000));
}

TEST(Slots, EntriesStayWhereTheyAre) {
  Slots<int> slots;
  slots.take(1);
  const int* const first = &slots[1];
  for (std::size_t index = 2; index < 5'000; ++index) slots.take(index);
  EXPECT_EQ(&slots[1], first);
}

}  // namespace
}  // namespace polyio
