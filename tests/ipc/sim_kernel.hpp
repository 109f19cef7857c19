// SimKernel: the kernel under room ipc as a Simulation has it; explore() tries a scenario on many
// seeds, and with a kill at every step of some of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

#include "simulation.hpp"

namespace polyio::ipc::test {

class SimKernel {
 public:
  static Simulation& sim() { return *Simulation::current_simulation; }
  // Between runs the test itself looks at the state: as a process of its own, without steps.
  static bool outside() { return sim().running() < 0; }
  static std::uint32_t self() {
    return outside() ? 99 : static_cast<std::uint32_t>(100 + sim().running());
  }
  static void shared_step() {
    if (!outside()) sim().step();
  }
  static void begin_list_op(RobustNode& node) {
    if (!outside()) sim().self().pending = &node;
  }
  static void end_list_op() {
    if (outside()) return;
    shared_step();
    sim().self().pending = nullptr;
  }
  static bool list_has_room() { return true; }
  static void enlist(RobustNode& node) {
    if (outside()) return;
    shared_step();
    sim().self().held.push_back(&node);
  }
  static void delist(RobustNode& node) {
    if (outside()) return;
    shared_step();
    std::erase(sim().self().held, &node);
  }
  static bool sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                    Deadline deadline) {
    if (!sim().slices()) return sim().sleep(word, expected, deadline);
    const Deadline slice = deadline_after(now(), recheck_every);
    return sim().sleep(word, expected, std::min(deadline, slice)) && now() >= deadline;
  }
  // Lets time pass.
  static void pass(Nanoseconds span) {
    const std::atomic<std::uint32_t> nothing{0};
    const Deadline end = deadline_after(now(), span);
    while (now() < end) sim().sleep(nothing, 0, end);
  }
  static void wake(const std::atomic<std::uint32_t>& word, int count) {
    if (outside()) return;
    shared_step();
    sim().wake(word, count);
  }
  static TimePoint now() { return sim().now(); }
  static os::ProcessId process() { return {1, static_cast<pid_t>(self())}; }
  static bool alive(const os::ProcessId& process) {
    shared_step();
    const auto state = sim().state(static_cast<std::size_t>(process.pid - 100));
    return state == Simulation::State::ready || state == Simulation::State::asleep;
  }
};

// POLYIO_SEEDS from the environment, else `usual`.
inline std::uint64_t number_of_seeds(std::uint64_t usual) {
  const char* const text = std::getenv("POLYIO_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : usual;
}

// POLYIO_FIRST_SEED from the environment, else 0.
inline std::uint64_t first_seed() {
  const char* const text = std::getenv("POLYIO_FIRST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 0;
}

// Runs `scenario(sim)`, which makes the processes and gives back the check that is made afterwards,
// on `seeds` seeds without kills and slices, and on each of the first `deaths` of them again and
// again, with a kill at every step.
template <class Scenario>
void explore(Scenario scenario, std::uint64_t seeds, std::uint64_t deaths) {
  const auto run = [&](SimOptions options) -> std::uint64_t {
    Simulation sim(options);
    const auto check = scenario(sim);
    const bool ended = sim.run();
    EXPECT_TRUE(ended) << sim.failure();
    if (ended) check();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "seed " << options.seed << ", kill_at " << options.kill_at;
      return 0;
    }
    return sim.steps();
  };
  const std::uint64_t first = first_seed();
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const std::uint64_t steps = run({.seed = seed, .slices = false});
    if (testing::Test::HasFailure()) return;
    if (seed >= first + deaths) continue;
    // Slices change nothing before the kill but where time passes: a few steps more for those.
    for (std::uint64_t at = 1; at <= steps + 8; ++at) {
      run({.seed = seed, .kill_at = at});
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace polyio::ipc::test
