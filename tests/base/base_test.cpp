// Random, Result and the clock.
#include <gtest/gtest.h>

#include <array>
#include <polyio/base/assert.hpp>
#include <polyio/base/clock.hpp>
#include <polyio/base/random.hpp>
#include <polyio/base/result.hpp>

namespace polyio {
namespace {

using namespace std::chrono_literals;

TEST(Random, IsSplitmix64) {
  Random random(1234567);  // the reference implementation's first numbers for this seed
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(Random, TheSameSeedDrawsTheSame) {
  Random one(42);
  Random other = one;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.next(), other.next());
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  Random random(7);
  EXPECT_EQ(random.below(0), 0u);
  EXPECT_EQ(random.below(1), 0u);
  std::array<int, 6> seen{};
  for (int i = 0; i < 6000; ++i) ++seen.at(random.below(6));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 200);
}

TEST(Random, Chance) {
  Random random(9);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_FALSE(random.chance(0, 3));
    EXPECT_TRUE(random.chance(3, 3));
    hits += random.chance(1, 4);
  }
  EXPECT_NEAR(hits, 2500, 250);
}

TEST(Result, SystemErrorsCompareWithErrc) {
  const Result<int> failed = fail(ECONNRESET);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), std::errc::connection_reset);
  EXPECT_NE(failed.error(), std::errc::broken_pipe);
  EXPECT_EQ(failed.error().category(), std::generic_category());
}

TEST(Result, OwnErrorsHaveAMessageEach) {
  for (const Errc e : {Errc::concurrency_unavailable, Errc::end_of_file, Errc::model_unavailable,
                       Errc::invalid_option, Errc::line_too_long, Errc::protocol_error}) {
    const Result<> failed = fail(e);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), e);
    EXPECT_FALSE(failed.error().message().empty());
    EXPECT_EQ(&failed.error().category(), &polyio_category());
  }
  EXPECT_FALSE(std::error_code(99, polyio_category()).message().empty());
}

TEST(Clock, DeadlinesDoNotOverflow) {
  const TimePoint now = monotonic_now();
  EXPECT_EQ(deadline_after(now, 1s) - now, 1s);
  EXPECT_EQ(deadline_after(now, Nanoseconds::max()), never);
  EXPECT_LT(deadline_after(now, -1s), now);
  EXPECT_LE(now, monotonic_now());
}

TEST(AssertDeathTest, SaysWhatAndWhere) {
  POLYIO_ASSERT(1 + 1 == 2);
  EXPECT_DEATH(POLYIO_ASSERT(1 + 1 == 3), "base_test.*1 \\+ 1 == 3");
}

}  // namespace
}  // namespace polyio
