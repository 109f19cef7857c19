// SimKernel: the kernel under room ipc, simulated in one thread. Every process is a fibre that
// gives way at each step; which one goes on, who is killed where, which sleep ends for no reason,
// is drawn from one seed, so that a seed is a reproduction. A killed process gets what Linux gives
// it: its robust list and its pending entry are walked (kernel/futex/core.c, exit_robust_list()).
// Time is virtual and passes only when nobody can run. Sequentially consistent: reorderings of the
// hardware are TSan's and the real torture's part.
#pragma once

#include <gtest/gtest.h>
#include <ucontext.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <functional>
#include <memory>
#include <polyio/base/random.hpp>
#include <polyio/ipc/kernel.hpp>
#include <string>
#include <vector>

#if POLYIO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace polyio::ipc::test {

struct SimOptions {
  std::uint64_t seed = 0;
  // A process is killed at this step of all, counted from 1; 0: none is.
  std::uint64_t kill_at = 0;
  // Sleeps end after recheck_every, as in SharedKernel. Without kills nobody may need that.
  bool slices = true;
  std::uint64_t max_steps = 100'000;
};

class Simulation {
 public:
  enum class State : std::uint8_t { ready, asleep, ended, killed };

  explicit Simulation(SimOptions options) : options_(options), random_(options.seed) {
    current_simulation = this;
  }
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // A process that runs `body`; `mortal`: it may be the one that is killed.
  void process(std::function<void()> body, bool mortal = true);
  // Runs all to their ends. False, with the reason in failure(): they hang, or run without end.
  bool run();
  std::uint64_t steps() const { return steps_; }
  const std::string& failure() const { return failure_; }
  bool killed_one() const { return killed_ >= 0; }
  int killed() const { return killed_; }
  State state(std::size_t index) const { return processes_[index]->state; }

  // --- what SimKernel is made of; called by the process that runs ---
  void step();
  bool sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline);
  void wake(const std::atomic<std::uint32_t>& word, int count);
  TimePoint now() const { return TimePoint(now_); }
  bool slices() const { return options_.slices; }

  struct Process {
    std::function<void()> body;
    bool mortal = true;
    State state = State::ready;
    ucontext_t context{};
    std::unique_ptr<char[]> stack;
    std::vector<RobustNode*> held;
    RobustNode* pending = nullptr;
    const std::atomic<std::uint32_t>* word = nullptr;  // asleep on
    Deadline until = never;
    bool late = false;
    void* tsan_fiber = nullptr;
  };
  Process& self() { return *processes_[static_cast<std::size_t>(running_)]; }
  int running() const { return running_; }

  static Simulation* current_simulation;

 private:
  static constexpr std::size_t stack_size = 128 * 1024;
  static void enter();
  void give_way();
  void kill(int index);
  void die(std::atomic<std::uint32_t>& word, std::uint32_t id, bool pending);
  int choose();
  void switch_to(Process& process);

  SimOptions options_;
  Random random_;
  std::vector<std::unique_ptr<Process>> processes_;
  ucontext_t scheduler_{};
#if POLYIO_TSAN
  void* scheduler_fiber_ = nullptr;
#endif
  int running_ = -1, killed_ = -1;
  std::uint64_t steps_ = 0;
  Nanoseconds now_{1'000'000'000};
  std::string failure_;
};

class SimKernel {
 public:
  static Simulation& sim() { return *Simulation::current_simulation; }
  // Between runs the test itself looks at the state: as a process of its own, without steps.
  static bool outside() { return sim().running() < 0; }
  static std::uint32_t self() {
    return outside() ? 99 : static_cast<std::uint32_t>(100 + sim().running());
  }
  static void step() {
    if (!outside()) sim().step();
  }
  static void pending(RobustNode& node) {
    if (!outside()) sim().self().pending = &node;
  }
  static void settled() {
    if (outside()) return;
    step();
    sim().self().pending = nullptr;
  }
  static void enlist(RobustNode& node) {
    if (outside()) return;
    step();
    sim().self().held.push_back(&node);
  }
  static void delist(RobustNode& node) {
    if (outside()) return;
    step();
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
    step();
    sim().wake(word, count);
  }
  static TimePoint now() { return sim().now(); }
  static os::ProcessId process() { return {1, static_cast<pid_t>(self())}; }
  static bool alive(const os::ProcessId& process) {
    step();
    const auto state = sim().state(static_cast<std::size_t>(process.pid - 100));
    return state == Simulation::State::ready || state == Simulation::State::asleep;
  }
};

// POLYIO_SEEDS from the environment, else `usual`.
inline std::uint64_t number_of_seeds(std::uint64_t usual) {
  const char* const text = std::getenv("POLYIO_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : usual;
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
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const std::uint64_t steps = run({.seed = seed, .slices = false});
    if (testing::Test::HasFailure()) return;
    if (seed >= deaths) continue;
    // Slices change nothing before the kill but where time passes: a few steps more for those.
    for (std::uint64_t at = 1; at <= steps + 8; ++at) {
      run({.seed = seed, .kill_at = at});
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace polyio::ipc::test
