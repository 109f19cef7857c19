// Queue's protocol on the simulated kernel: all interleavings that the seeds draw, and a kill at
// every step of them.
#include <polyio/queue/queue_core.hpp>

#include "ipc/sim_kernel.hpp"

namespace polyio::ipc::test {
namespace {

using std::chrono::seconds;

const std::uint64_t seeds = number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 40 : 400),
                    deaths = std::max<std::uint64_t>(seeds / 60, 3);

// Two producers bring three messages each, two consumers take them until the end of file.
struct Market {
  static constexpr std::uint32_t each = 3;
  // For three of the messages: producers wait, and records go past the end.
  static constexpr QueueShape shape{.capacity = 64, .largest = 24, .messages = 0, .producers = 2};

  Market() {
    QueueCore<SimKernel>::make(memory.data(), shape);
    queue = QueueCore<SimKernel>::of(memory.data(), QueueCore<SimKernel>::size_of(shape)).value();
  }
  void produce(std::uint32_t number) {
    ASSERT_TRUE(queue.add_producer(1, true));
    come[number] = true;
    for (std::uint32_t i = 0; i < each; ++i) {
      const std::uint32_t message[4] = {number, i, ~number, ~i};
      const auto bytes = std::as_bytes(std::span(message)).first(i == 1 ? 16 : 8 + i * 4);
      ASSERT_TRUE(queue.put(bytes, SimKernel::now() + seconds(60)));
      put[number][i] = true;
    }
    queue.remove_producer();
  }
  void consume(Simulation& sim) {
    for (;;) {
      const auto taken =
          queue.take([this](std::span<const std::byte> first,
                            std::span<const std::byte> second) { see(first, second); },
                     SimKernel::now() + seconds(60));
      if (taken) continue;
      // A producer killed before it had come may still come, as far as the others know.
      const bool expected = sim.killed() >= 2 || sim.killed() < 0 || come[sim.killed()];
      EXPECT_TRUE(!expected || taken.error() == Errc::end_of_file) << taken.error().message();
      ++ends;
      return;
    }
  }
  // Under the consumers' lock. A consumer killed in here leaves the message to another.
  void see(std::span<const std::byte> first, std::span<const std::byte> second) {
    std::uint32_t message[4] = {};
    std::memcpy(message, first.data(), first.size());
    if (!second.empty()) {
      std::memcpy(reinterpret_cast<std::byte*>(message) + first.size(), second.data(),
                  second.size());
    }
    const std::uint32_t number = message[0], i = message[1];
    ASSERT_TRUE(number < 2 && i < each);
    EXPECT_EQ(first.size() + second.size(), i == 1 ? 16 : 8 + i * 4);
    EXPECT_GE(i + 1, next[number]) << "out of order";
    SimKernel::shared_step();
    next[number] = i + 1;
    ++seen[number][i];
  }

  alignas(64) std::array<std::byte, 16'384> memory{};
  QueueCore<SimKernel> queue;
  bool come[2] = {}, put[2][each] = {};
  int seen[2][each] = {}, ends = 0;
  std::uint32_t next[2] = {};
};

TEST(SimQueue, EveryMessageOnceInOrderThenTheEnd) {
  explore(
      [](Simulation& sim) {
        auto market = std::make_shared<Market>();
        for (std::uint32_t number : {0u, 1u}) {
          sim.process([m = market.get(), number] { m->produce(number); });
        }
        for (int i = 0; i < 2; ++i) sim.process([m = market.get(), &sim] { m->consume(sim); });
        return [market, &sim] {
          const bool consumer_killed = sim.killed() >= 2;
          EXPECT_EQ(market->ends, consumer_killed ? 1 : 2);
          for (int number : {0, 1}) {
            for (std::uint32_t i = 0; i < Market::each; ++i) {
              const int seen = market->seen[number][i];
              if (market->put[number][i]) {
                EXPECT_GE(seen, 1) << "lost";
              }
              // Once more only where its taker was killed before it had taken it.
              EXPECT_LE(seen, consumer_killed ? 2 : 1) << "given twice";
            }
          }
          EXPECT_EQ(market->queue.size(), 0u);
        };
      },
      seeds / 4, deaths / 3);
}

TEST(SimQueue, CloseReachesAllWaiters) {
  explore(
      [](Simulation& sim) {
        auto market = std::make_shared<Market>();
        for (int i = 0; i < 2; ++i) {
          sim.process([m = market.get(), &sim] { m->consume(sim); }, false);
        }
        sim.process(
            [m = market.get()] {
              std::array<std::byte, 16> bytes{};
              bytes[4] = std::byte{1};
              while (m->queue.put(bytes, SimKernel::now() + seconds(60))) {
                if (m->seen[0][1] >= 3) m->next[0] = 0;
              }
            },
            false);
        for (int i = 0; i < 2; ++i) {
          sim.process([m = market.get()] { m->queue.close(); });
        }
        return [market] {
          EXPECT_EQ(market->ends, 2);
          EXPECT_TRUE(market->queue.closed());
        };
      },
      seeds, deaths);
}

}  // namespace
}  // namespace polyio::ipc::test
