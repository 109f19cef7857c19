// The simulation itself, and its own test: a protocol with a known hole must be found out.
#include "sim_kernel.hpp"

#include <algorithm>

namespace polyio::ipc::test {

Simulation* Simulation::current_simulation = nullptr;

Simulation::~Simulation() {
#if POLYIO_TSAN
  for (auto& process : processes_) {
    if (process->tsan_fiber) __tsan_destroy_fiber(process->tsan_fiber);
  }
#endif
  current_simulation = nullptr;
}

void Simulation::process(std::function<void()> body, bool mortal) {
  auto process = std::make_unique<Process>();
  process->body = std::move(body);
  process->mortal = mortal;
  process->stack = std::make_unique_for_overwrite<char[]>(stack_size);
  ::getcontext(&process->context);
  process->context.uc_stack.ss_sp = process->stack.get();
  process->context.uc_stack.ss_size = stack_size;
  process->context.uc_link = nullptr;
  ::makecontext(&process->context, &Simulation::enter, 0);
#if POLYIO_TSAN
  process->tsan_fiber = __tsan_create_fiber(0);
#endif
  processes_.push_back(std::move(process));
}

void Simulation::enter() {
  Simulation& sim = *current_simulation;
  Process& process = sim.self();
  process.body();
  process.state = State::ended;
  sim.give_way();
}

void Simulation::switch_to(Process& process) {
#if POLYIO_TSAN
  scheduler_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(process.tsan_fiber, 0);
#endif
  ::swapcontext(&scheduler_, &process.context);
}

void Simulation::give_way() {
  Process& process = self();
#if POLYIO_TSAN
  __tsan_switch_to_fiber(scheduler_fiber_, 0);
#endif
  ::swapcontext(&process.context, &scheduler_);
}

void Simulation::step() {
  ++steps_;
  give_way();
}

bool Simulation::sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       Deadline deadline) {
  step();  // before the kernel compares: others may have come in between
  if (word.load() != expected) return false;
  if (deadline <= now()) return true;
  Process& me = self();
  me.state = State::asleep;
  me.word = &word;
  me.until = deadline;
  me.late = false;
  give_way();
  return me.late;
}

void Simulation::wake(const std::atomic<std::uint32_t>& word, int count) {
  for (auto& process : processes_) {
    if (count == 0) return;
    if (process->state != State::asleep || process->word != &word) continue;
    process->state = State::ready;
    --count;
  }
}

// handle_futex_death().
void Simulation::die(std::atomic<std::uint32_t>& word, std::uint32_t id, bool pending) {
  const std::uint32_t seen = word.load();
  if (pending && (seen & 0x3fffffff) == 0) {
    wake(word, 1);
    return;
  }
  if ((seen & 0x3fffffff) != id) return;
  word.store((seen & 0x80000000) | 0x40000000);
  if (seen & 0x80000000) wake(word, 1);
}

void Simulation::kill(int index) {
  killed_ = index;
  Process& process = *processes_[static_cast<std::size_t>(index)];
  process.state = State::killed;
  const auto id = static_cast<std::uint32_t>(100 + index);
  const auto word = [](RobustNode* node) -> std::atomic<std::uint32_t>& {
    return *reinterpret_cast<std::atomic<std::uint32_t>*>(reinterpret_cast<char*>(&node->next) -
                                                          32);
  };
  for (RobustNode* node : process.held) {
    if (node != process.pending) die(word(node), id, false);
  }
  if (process.pending) die(word(process.pending), id, true);
}

// Who goes on; -1: nobody can.
int Simulation::choose() {
  std::vector<int> ready;
  Deadline next = never;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    Process& process = *processes_[i];
    if (process.state == State::ready) ready.push_back(static_cast<int>(i));
    if (process.state != State::asleep) continue;
    next = std::min(next, process.until);
    // For no reason, as futex(2) may.
    if (random_.chance(1, 64) && options_.slices) {
      process.state = State::ready;
      ready.push_back(static_cast<int>(i));
    }
  }
  if (!ready.empty()) return ready[random_.below(ready.size())];
  if (next == never) return -1;
  now_ = next.time_since_epoch();
  for (auto& process : processes_) {
    if (process->state == State::asleep && process->until <= next) {
      process->state = State::ready;
      process->late = true;
    }
  }
  return choose();
}

bool Simulation::run() {
  bool dead = false;
  for (;;) {
    const auto over = [](const auto& process) {
      return process->state == State::ended || process->state == State::killed;
    };
    if (std::ranges::all_of(processes_, over)) return true;
    if (steps_ > options_.max_steps) {
      failure_ = "they run without end";
      return false;
    }
    running_ = choose();
    if (running_ < 0) {
      failure_ = "all that are left sleep for ever";
      return false;
    }
    // The one whose turn it is dies before its next step, or one that sleeps does.
    if (options_.kill_at && !dead && steps_ >= options_.kill_at) {
      std::vector<int> mortal;
      for (std::size_t i = 0; i < processes_.size(); ++i) {
        if (!over(processes_[i]) && processes_[i]->mortal) mortal.push_back(static_cast<int>(i));
      }
      dead = true;
      if (!mortal.empty()) {
        const bool mine = self().mortal && random_.chance(3, 4);
        const int victim = mine ? running_ : mortal[random_.below(mortal.size())];
        kill(victim);
        if (victim == running_) {
          running_ = -1;
          continue;
        }
      }
    }
    switch_to(self());
    running_ = -1;
  }
}

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

TEST(SimKernel, KillsWhereItIsTold) {
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
