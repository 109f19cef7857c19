#include "chat_scenario.hpp"

namespace polyio::chat_test {
namespace {

using sim_test::explore;
using sim_test::run_seed;

TEST(SimChat, EveryClientHearsEverythingInOrder) {
  Tally tally;
  explore("chat", chat_scenario(tally), 1, 3'000);  // more of them: .ci/run seeds
  RecordProperty("heard", std::to_string(tally.heard));
  if (tally.clients < 1'000) return;  // a replay
  EXPECT_GT(tally.gaps, tally.clients / 10'000);
  EXPECT_GT(tally.orderly, tally.clients / 4);
  EXPECT_GT(tally.heard, tally.clients);
}

TEST(SimChat, TheSameSeedGivesTheSameTrace) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const auto first = run_seed(chat_scenario(tally), SimOptions::from_seed(seed));
    const auto second = run_seed(chat_scenario(tally), SimOptions::from_seed(seed));
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
  }
}

}  // namespace
}  // namespace polyio::chat_test
