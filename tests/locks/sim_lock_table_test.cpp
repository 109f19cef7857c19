// The lock table on the simulated kernel: the interleavings that the seeds draw, in which no
// wake-up may be missed, and a kill at every step of some of them.
#include "ipc/sim_kernel.hpp"
#include "lock_check.hpp"

namespace polyio::ipc::test {
namespace {

using enum LockMode;
using Core = LockCore<SimKernel>;
using Slots = LockSlots<SimKernel>;

constexpr LockTableLimits limits{.sessions = 4, .locks = 16};
const std::uint64_t seeds = number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 20 : 100),
                    deaths = std::max<std::uint64_t>(seeds / 100, 1);

struct World {
  World() : memory(Slots::bytes(limits) / 8 + 1), slots(memory.data(), limits), core(slots) {
    slots.format();
  }
  // In place of what the locks protect: a writer is alone.
  void write(int row) {
    EXPECT_FALSE(inside[row] && !SimKernel::sim().killed_one()) << "two write row " << row;
    inside[row] = true;
    SimKernel::shared_step();
    inside[row] = false;
  }
  // After all have ended: it is whole, and no lock is left.
  void check() {
    EXPECT_STREQ(LockCheck<SimKernel>(slots).run(), "");
    const auto all = core.begin("all").value();
    EXPECT_TRUE(core.lock(all, "t", X, Deadline::min(), nullptr));
    EXPECT_TRUE(core.end(all));
    EXPECT_STREQ(LockCheck<SimKernel>(slots).run(), "");
  }

  std::vector<std::uint64_t> memory;
  Slots slots;
  Core core;
  std::array<bool, 3> inside{};
  int finished = 0;
};

// Three processes; `work` answers EDEADLK when it is to be tried again.
template <class Work>
void three(Work work) {
  explore(
      [&](Simulation& sim) {
        auto world = std::make_shared<World>();
        for (int i = 0; i < 3; ++i) {
          sim.process([w = world.get(), i, work] {
            const auto id = w->core.begin("one of three").value();
            for (;;) {
              const Result<> done = work(*w, id, i);
              EXPECT_TRUE(w->core.release_all(id));
              if (done) break;
              EXPECT_EQ(done.error(), errno_code(EDEADLK));
              if (testing::Test::HasFailure()) break;
            }
            EXPECT_TRUE(w->core.end(id));
            ++w->finished;
          });
        }
        return [&sim, world] {
          EXPECT_EQ(world->finished, sim.killed_one() ? 2 : 3);
          world->check();
        };
      },
      seeds, deaths);
}

TEST(SimLockTable, ARingOfThree) {
  three([](World& world, Core::Id id, int i) -> Result<> {
    for (const int row : {i, (i + 1) % 3}) {
      const Resource what("t", static_cast<std::uint64_t>(row));
      if (auto locked = world.core.lock(id, what, X, never, nullptr); !locked) return locked;
      world.write(row);
    }
    return {};
  });
}

TEST(SimLockTable, UpgradesOfOneRow) {
  three([](World& world, Core::Id id, int) -> Result<> {
    for (const LockMode mode : {S, X}) {
      if (auto locked = world.core.lock(id, {"t", 0}, mode, never, nullptr); !locked) return locked;
    }
    world.write(0);
    return world.core.unlock(id, {"t", 0});
  });
}

TEST(SimLockTable, AReaderOfTheTableAndWritersOfRows) {
  three([](World& world, Core::Id id, int i) -> Result<> {
    if (i == 0) {
      if (auto locked = world.core.lock(id, "t", S, never, nullptr); !locked) return locked;
      for (const bool inside : world.inside) {
        EXPECT_FALSE(inside && !SimKernel::sim().killed_one());
      }
    }
    const Resource what("t", static_cast<std::uint64_t>(i));
    if (auto locked = world.core.lock(id, what, X, never, nullptr); !locked) return locked;
    world.write(i);
    return {};
  });
}

// In some interleavings the last one is behind the writer, which waits for the first, which waits
// for the last. It goes before, so no session has to give way.
TEST(SimLockTable, AWriterAndTwoReadersThatNeedEachOther) {
  three([](World& world, Core::Id id, int i) -> Result<> {
    const auto take = [&](const char* table, LockMode mode) {
      EXPECT_TRUE(world.core.lock(id, table, mode, never, nullptr));
    };
    if (i == 0) take("a", S), take("b", S);
    if (i == 1) take("a", X);
    if (i == 2) take("b", X), take("a", S);
    return {};
  });
}

TEST(SimLockTable, ADeadlineLeavesNothingBehind) {
  three([](World& world, Core::Id id, int) -> Result<> {
    const Deadline end = deadline_after(SimKernel::now(), std::chrono::seconds(1));
    auto locked = world.core.lock(id, {"t", 0}, X, end, nullptr);
    if (!locked) {
      EXPECT_EQ(locked.error(), std::errc::timed_out);
      return {};
    }
    world.write(0);
    SimKernel::pass(std::chrono::seconds(2));
    return {};
  });
}

}  // namespace
}  // namespace polyio::ipc::test
