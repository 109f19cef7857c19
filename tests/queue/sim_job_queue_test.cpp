// JobQueue's protocol on the simulated kernel: all interleavings that the seeds draw, and a kill at
// every step of them.
#include <polyio/queue/job_queue_core.hpp>

#include "ipc/sim_kernel.hpp"

namespace polyio::ipc::test {
namespace {

using std::chrono::seconds;

const std::uint64_t seeds = number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 40 : 400),
                    deaths = std::max<std::uint64_t>(seeds / 60, 3);

// One producer puts four numbers and closes; two consumers take them, give every first of number 2
// back, and end with the end of file.
struct Office {
  static constexpr std::uint32_t each = 4;
  static constexpr JobQueueShape shape{
      .queue = {.capacity = 64, .largest = 16, .messages = 0, .producers = 1}, .jobs = 2};

  Office() {
    JobQueueCore<SimKernel>::make(memory.data(), shape);
    core =
        JobQueueCore<SimKernel>::of(memory.data(), JobQueueCore<SimKernel>::size_of(shape)).value();
  }
  void produce() {
    for (std::uint32_t i = 0; i < each; ++i) {
      std::uint32_t bytes[2] = {i, ~i};
      ASSERT_TRUE(
          core.queue().put(std::as_bytes(std::span(bytes)), SimKernel::now() + seconds(60)));
      put[i] = true;
    }
    core.queue().close();
  }
  void consume(const Simulation& sim) {
    for (;;) {
      const auto index = core.take(SimKernel::now() + seconds(60));
      if (!index) {
        EXPECT_EQ(index.error(), Errc::end_of_file) << index.error().message();
        ++ends;
        return;
      }
      const auto bytes = core.bytes(*index);
      ASSERT_TRUE(bytes && bytes->size() == 8);
      std::uint32_t message[2];
      std::memcpy(message, bytes->data(), 8);
      const std::uint32_t i = message[0];
      ASSERT_TRUE(i < each && message[1] == ~i);
      EXPECT_LE(++at_work[i], sim.killed() >= 0 ? 2 : 1) << "two have it";
      EXPECT_LE(core.times(*index), 4u);
      SimKernel::shared_step();  // killed in here, it has begun
      --at_work[i];
      if (i == 2 && core.times(*index) == 1) {
        core.give_back(*index);
        continue;
      }
      if (i == 2) EXPECT_GE(core.times(*index), 2u);
      ++done[i];
      core.done(*index);
    }
  }

  alignas(64) std::array<std::byte, 16'384> memory{};
  JobQueueCore<SimKernel> core;
  bool put[each] = {};
  int at_work[each] = {}, done[each] = {}, ends = 0;
};

TEST(SimJobQueue, EachJobIsDoneWhoeverIsKilled) {
  explore(
      [](Simulation& sim) {
        auto office = std::make_shared<Office>();
        sim.process([o = office.get()] { o->produce(); }, false);
        for (int i = 0; i < 2; ++i) sim.process([o = office.get(), &sim] { o->consume(sim); });
        return [office, &sim] {
          const bool killed = sim.killed() >= 0;
          EXPECT_EQ(office->ends, killed ? 1 : 2);
          for (std::uint32_t i = 0; i < Office::each; ++i) {
            EXPECT_TRUE(office->put[i]);
            EXPECT_GE(office->done[i], 1) << "lost";
            // Once more only where it was killed before it had said so.
            EXPECT_LE(office->done[i], killed ? 2 : 1) << "done twice";
          }
          EXPECT_EQ(office->core.claimed(), 0u);
          EXPECT_EQ(office->core.queue().size(), 0u);
        };
      },
      seeds / 4, deaths / 3);
}

}  // namespace
}  // namespace polyio::ipc::test
