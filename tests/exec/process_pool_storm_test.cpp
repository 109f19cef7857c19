// ProcessPoolExecutor while its workers are killed at any moment: each task ends once.
#include <signal.h>

#include <array>

#include "pool_cases.hpp"

namespace polyio {
namespace {

using namespace exec_test;
using process::Errc::worker_died;

struct StormWords {
  static constexpr int tasks = 200'000;
  std::array<std::atomic<std::uint8_t>, tasks> begun{};
};
using Storm = ipc::Shared<StormWords>;

int work_in_storm(int n, const Storm& storm) {
  ++storm->begun[static_cast<std::size_t>(n)];
  volatile int spin = 0;
  for (int i = 0; i < n % 7 * 3'000; ++i) spin = spin + 1;
  return n;
}

// Every task ends once: with its own result, and was begun once then, or with the worker's death.
void storm(unsigned kills) {
  Storm storm;
  ProcessPoolExecutor pool(OnProcesses::options(3));
  Random random(7);
  std::vector<Future<int>> futures;
  std::atomic<std::size_t> called{0};
  unsigned killed = 0;
  while (killed < kills && futures.size() < StormWords::tasks) {
    for (int i = 0; i < 20; ++i) {
      const auto n = static_cast<int>(futures.size());
      futures.push_back(pool.submit(work_in_storm, n, storm));
      futures.back().on_done([&](const Future<int>&) { ++called; });
    }
    ::usleep(static_cast<useconds_t>(random.below(1'500)));
    const auto pids = pool.pids();
    if (pids.empty()) continue;
    killed += ::kill(pids[random.below(pids.size())], SIGKILL) == 0;
  }
  EXPECT_EQ(killed, kills);
  std::size_t failed = 0;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    const auto result = futures[i].result(test::far_away());
    if (result) {
      EXPECT_EQ(*result, static_cast<int>(i));
      EXPECT_EQ(storm->begun[i], 1);
    } else {
      EXPECT_EQ(result.error(), worker_died) << "task " << i << result.error().message();
      EXPECT_LE(storm->begun[i], 1);
      ++failed;
    }
  }
  pool.shutdown();
  EXPECT_EQ(called, futures.size());
  EXPECT_LE(failed, killed);
}

TEST(ProcessPoolStorm, EveryTaskEndsOnceInAStormOfKills) { storm(50); }
TEST(DeepProcessPool, EveryTaskEndsOnceInAThousandKills) { storm(1'000); }

}  // namespace
}  // namespace polyio
