// How fast a client may speak.
#include <gtest/gtest.h>

#include <chat/model/flood.hpp>

namespace polyio::chat {
namespace {

using namespace std::chrono_literals;

TimePoint at(Nanoseconds span) { return TimePoint(1h + span); }

TEST(Flood, LetsABurstPassAndSlowsWhatComesAfterIt) {
  Bucket bucket;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bucket.take(at(0s), 5, 10), 0s) << i;
  EXPECT_EQ(bucket.take(at(0s), 5, 10), 200ms);
  EXPECT_EQ(bucket.take(at(200ms), 5, 10), 200ms) << "the rate, for one that waits as it should";
  EXPECT_FALSE(bucket.empty(at(1s)));
  EXPECT_TRUE(bucket.empty(at(3s)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bucket.take(at(10s), 5, 10), 0s) << i;
}

TEST(Flood, WarnsOnceAndCutsOffWhatDoesNotPause) {
  FloodTable table({.per_second = 10, .burst = 5, .patience = 30s});
  Pace pace;
  TimePoint now = at(0s);
  int warnings = 0;
  while (!pace.is_over(table, now) && now < at(2min)) {
    now += pace.take(table, "", "10.0.0.1", now);
    warnings += pace.is_news();
  }
  EXPECT_EQ(warnings, 1);
  EXPECT_GT(now, at(30s));
  EXPECT_LT(now, at(32s));
  now += 5s;
  EXPECT_FALSE(pace.is_over(table, now)) << "it has paused";
  for (int i = 0; i < 100; ++i) (void)pace.take(table, "", "10.0.0.1", now);
  EXPECT_TRUE(pace.is_news()) << "and is warned anew";
}

TEST(Flood, CountsAccountsAndAddressesOverAllTheirConnections) {
  FloodTable table({.per_second = 10, .burst = 10, .of_address = 3});
  Pace one, other;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(one.take(table, "7", "10.0.0.1", at(0s)), 0s);
    EXPECT_EQ(other.take(table, "7", "10.0.0.2", at(0s)), 0s);
  }
  EXPECT_GT(one.take(table, "7", "10.0.0.3", at(0s)), 0s) << "the account's ten";
  for (int i = 0; i < 30; ++i) {
    Pace guest;
    EXPECT_EQ(guest.take(table, "", "10.0.0.9", at(0s)), 0s) << i;
  }
  Pace guest;
  EXPECT_GT(guest.take(table, "", "10.0.0.9", at(0s)), 0s) << "the address's thirty";
}

TEST(Flood, IsNoneWithoutALimit) {
  FloodTable table({});
  Pace pace;
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(pace.take(table, "7", "10.0.0.1", at(0s)), 0s);
}

TEST(Flood, AdmitsSoManyConnectionsOfAnAddress) {
  FloodTable table({.connections = 2});
  EXPECT_TRUE(table.admit("10.0.0.1"));
  EXPECT_TRUE(table.admit("10.0.0.1"));
  EXPECT_FALSE(table.admit("10.0.0.1"));
  EXPECT_TRUE(table.admit("10.0.0.2"));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(table.admit("127.0.0.1"));
  table.dismiss("127.0.0.1");
  table.dismiss("10.0.0.1");
  EXPECT_TRUE(table.admit("10.0.0.1"));
}

}  // namespace
}  // namespace polyio::chat
