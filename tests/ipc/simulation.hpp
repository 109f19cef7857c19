// Simulation: processes that share memory, simulated in one thread. Each is a fibre that gives way
// at every step; which one goes on, which is killed and where, which sleep ends for no reason, is
// drawn from one seed, so a seed is a reproduction. A killed process gets what Linux gives it: its
// robust list and its pending entry are walked (kernel/futex/core.c, exit_robust_list()). Time is
// virtual and passes only when no process can run. Sequentially consistent: reorderings of the
// hardware are left to TSan and the real torture.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <atomic>
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
  // Sleeps end after recheck_every, as in SharedKernel. Without kills no process may need that.
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

  static inline Simulation* current_simulation = nullptr;

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

inline Simulation::~Simulation() {
#if POLYIO_TSAN
  for (auto& process : processes_) {
    if (process->tsan_fiber) __tsan_destroy_fiber(process->tsan_fiber);
  }
#endif
  current_simulation = nullptr;
}

inline void Simulation::process(std::function<void()> body, bool mortal) {
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

inline void Simulation::enter() {
  Simulation& sim = *current_simulation;
  Process& process = sim.self();
  process.body();
  process.state = State::ended;
  sim.give_way();
}

inline void Simulation::switch_to(Process& process) {
#if POLYIO_TSAN
  scheduler_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(process.tsan_fiber, 0);
#endif
  ::swapcontext(&scheduler_, &process.context);
}

inline void Simulation::give_way() {
  Process& process = self();
#if POLYIO_TSAN
  __tsan_switch_to_fiber(scheduler_fiber_, 0);
#endif
  ::swapcontext(&process.context, &scheduler_);
}

inline void Simulation::step() {
  ++steps_;
  give_way();
}

inline bool Simulation::sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
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

inline void Simulation::wake(const std::atomic<std::uint32_t>& word, int count) {
  for (auto& process : processes_) {
    if (count == 0) return;
    if (process->state != State::asleep || process->word != &word) continue;
    process->state = State::ready;
    --count;
  }
}

// handle_futex_death().
inline void Simulation::die(std::atomic<std::uint32_t>& word, std::uint32_t id, bool pending) {
  const std::uint32_t seen = word.load();
  if (pending && (seen & 0x3fffffff) == 0) {
    wake(word, 1);
    return;
  }
  if ((seen & 0x3fffffff) != id) return;
  word.store((seen & 0x80000000) | 0x40000000);
  if (seen & 0x80000000) wake(word, 1);
}

inline void Simulation::kill(int index) {
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

// Which process goes on; -1: none can.
inline int Simulation::choose() {
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

inline bool Simulation::run() {
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

}  // namespace polyio::ipc::test
