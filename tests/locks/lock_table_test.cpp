#include <gtest/gtest.h>

#include <array>
#include <polyio/linux/process.hpp>
#include <polyio/locks/lock_table.hpp>
#include <thread>

#include "lock_check.hpp"

namespace polyio::ipc {
namespace {

using enum LockMode;
using namespace std::chrono_literals;

constexpr Deadline now_or_not_at_all = Deadline::min();
constexpr std::array all_modes = {IS, IX, S, SIX, X};

TEST(LockModes, HaveTheMatrixOfTheBook) {
  constexpr std::array<std::string_view, 5> rows = {"yyyyn", "yynnn", "ynynn", "ynnnn", "nnnnn"};
  for (std::size_t a = 0; a < rows.size(); ++a) {
    for (std::size_t b = 0; b < rows.size(); ++b) {
      EXPECT_EQ(compatible(all_modes[a], all_modes[b]), rows[a][b] == 'y');
    }
  }
}

TEST(LockModes, TheLeastUpperBoundForbidsWhatEitherForbids) {
  EXPECT_EQ(stronger_of(S, IX), SIX);
  EXPECT_EQ(stronger_of(IX, S), SIX);
  for (const LockMode a : all_modes) {
    EXPECT_EQ(stronger_of(a, a), a);
    EXPECT_EQ(stronger_of(none, a), a);
    for (const LockMode b : all_modes) {
      const LockMode both = stronger_of(a, b);
      EXPECT_EQ(both, stronger_of(b, a));
      EXPECT_EQ(lock_mode::conflicts(both) & lock_mode::conflicts(a), lock_mode::conflicts(a));
      for (const LockMode c : all_modes) {  // the weakest of those
        const auto covers = [](LockMode strong, LockMode weak) {
          return stronger_of(strong, weak) == strong;
        };
        if (covers(c, a) && covers(c, b)) {
          EXPECT_TRUE(covers(c, both));
        }
      }
    }
  }
}

TEST(LockTable, GrantsATableByTheMatrix) {
  LockTable table;
  auto a = table.begin("a").value(), b = table.begin("b").value();
  for (const LockMode first : all_modes) {
    for (const LockMode second : all_modes) {
      ASSERT_TRUE(a.lock("t", first));
      const auto locked = b.lock("t", second, now_or_not_at_all);
      EXPECT_EQ(locked.has_value(), compatible(first, second));
      if (!locked) {
        EXPECT_EQ(locked.error(), std::errc::timed_out);
      }
      EXPECT_STREQ(check(table), "");
      ASSERT_TRUE(a.release_all());
      ASSERT_TRUE(b.release_all());
    }
  }
}

TEST(RowLocks, AnotherRowGoesOnTheSameWaits) {
  LockTable table;
  auto a = table.begin("a").value(), b = table.begin("b").value();
  ASSERT_TRUE(a.lock({"t", 1}, X));
  EXPECT_TRUE(b.lock({"t", 2}, X, now_or_not_at_all));
  EXPECT_TRUE(b.lock({"u", 1}, X, now_or_not_at_all));
  EXPECT_EQ(b.lock({"t", 1}, X, now_or_not_at_all).error(), std::errc::timed_out);
  EXPECT_EQ(b.lock({"t", 1}, S, monotonic_now() + 1ms).error(), std::errc::timed_out);
  EXPECT_EQ(b.held("t"), IX);
  EXPECT_EQ(b.held(Resource("t", 1)), none);
  EXPECT_STREQ(check(table), "");
}

TEST(RowLocks, ATableLockMeetsTheRows) {
  LockTable table;
  auto a = table.begin("a").value(), b = table.begin("b").value();
  ASSERT_TRUE(a.lock({"t", 1}, S));
  EXPECT_EQ(a.held("t"), IS);
  EXPECT_TRUE(b.lock("t", S, now_or_not_at_all));
  EXPECT_EQ(b.lock("t", X, now_or_not_at_all).error(), std::errc::timed_out);
  EXPECT_EQ(a.lock({"t", 1}, X, now_or_not_at_all).error(), std::errc::timed_out);
  EXPECT_EQ(a.held("t"), IS) << "what it had before";
  ASSERT_TRUE(b.release_all());
  ASSERT_TRUE(a.release_all());
  ASSERT_TRUE(a.lock("t", X));
  EXPECT_EQ(b.lock({"t", 7}, S, now_or_not_at_all).error(), std::errc::timed_out);
  EXPECT_EQ(b.held("t"), none);
  EXPECT_STREQ(check(table), "");
}

TEST(RowLocks, TheTableGoesWithTheLastRow) {
  LockTable table;
  auto a = table.begin("a").value(), b = table.begin("b").value();
  ASSERT_TRUE(a.lock({"t", 1}, S));
  ASSERT_TRUE(a.lock({"t", 2}, X));
  EXPECT_EQ(a.held("t"), IX);
  ASSERT_TRUE(a.unlock({"t", 2}));
  EXPECT_EQ(a.held("t"), IS);
  EXPECT_EQ(a.unlock("t").error(), errno_code(EPERM)) << "it was not asked for by name";
  ASSERT_TRUE(a.lock("t", S));
  ASSERT_TRUE(a.unlock({"t", 1}));
  EXPECT_EQ(a.held("t"), S);
  ASSERT_TRUE(a.lock({"t", 1}, X));
  EXPECT_EQ(a.held("t"), SIX);
  ASSERT_TRUE(a.unlock("t"));
  EXPECT_EQ(a.held("t"), IX);
  ASSERT_TRUE(a.unlock({"t", 1}));
  EXPECT_TRUE(b.lock("t", X, now_or_not_at_all));
  EXPECT_STREQ(check(table), "");
}

}  // namespace
}  // namespace polyio::ipc
