#include "echo_scenario.hpp"

namespace polyio::sim_test {
namespace {

TEST(SimDeterminism, TheSameSeedGivesTheSameTrace) {
  const Scenario scenario = echo_scenario(upper);
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const SeedRun first = run_seed(scenario, SimOptions::from_seed(seed));
    const SeedRun second = run_seed(scenario, SimOptions::from_seed(seed));
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    hashes.push_back(first.trace_hash);
  }
  std::ranges::sort(hashes);
  const auto distinct = std::unique(hashes.begin(), hashes.end()) - hashes.begin();
  EXPECT_GE(distinct, 195);
}

TEST(SimDeterminism, TheTraceAsTextIsTheSameToo) {
  const auto text_of = [](std::uint64_t seed) {
    std::string text;
    const auto traced = [&text](Io& io, SimDriver& sim, Random& random) {
      sim.set_trace([&text](const std::string& line) { text += line + "\n"; });
      return echo_with(upper, io, sim, random);
    };
    EXPECT_EQ(run_seed(traced, SimOptions::from_seed(seed)).failure, "");
    return text;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(text_of(seed), text_of(seed));
}

}  // namespace
}  // namespace polyio::sim_test
