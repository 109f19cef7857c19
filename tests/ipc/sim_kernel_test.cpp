// The simulation's own test: a protocol with a known hole must be found out.
#include "sim_kernel.hpp"

namespace polyio::ipc::test {
namespace {

// A flag and a sleeper, with the wake-up left out.
TEST(SimKernel, FindsAWakeUpThatIsMissing) {
  int hung = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Simulation sim({.seed = seed, .slices = false});
    Word<SimKernel> flag;
    sim.process([&] { flag.store(1); });
    sim.process([&] {
      while (!flag.load()) SimKernel::sleep(flag.futex(), 0, never);
    });
    hung += !sim.run();
  }
  EXPECT_GT(hung, 10);
  EXPECT_LT(hung, 90);
}

// Load, then store: two of them lose an increment in some of the interleavings.
TEST(SimKernel, FindsARace) {
  int lost = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Simulation sim({.seed = seed});
    Word<SimKernel> count;
    for (int i = 0; i < 2; ++i) {
      sim.process([&] {
        const std::uint32_t seen = count.load();
        count.store(seen + 1);
      });
    }
    EXPECT_TRUE(sim.run());
    lost += count.load() == 1;
  }
  EXPECT_GT(lost, 10);
  EXPECT_LT(lost, 90);
}

TEST(SimKernel, KillsAtTheStepGiven) {
  for (std::uint64_t at = 1; at <= 3; ++at) {
    Simulation sim({.seed = 1, .kill_at = at});
    Word<SimKernel> count;
    sim.process([&] {
      for (int i = 0; i < 3; ++i) count.fetch_add(1);
    });
    EXPECT_TRUE(sim.run());
    EXPECT_EQ(sim.killed(), 0);
    EXPECT_EQ(count.load(), at - 1);
  }
}

}  // namespace
}  // namespace polyio::ipc::test
