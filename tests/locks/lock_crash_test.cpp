// A LockTable whose process is killed at every step of a call: the others go on, and find it whole.
#include <gtest/gtest.h>

#include <functional>
#include <polyio/base/random.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/ipc/event.hpp>

#include "ipc/crash_kernel.hpp"
#include "ipc/segments.hpp"
#include "lock_check.hpp"

namespace polyio::ipc {
namespace {

using enum LockMode;
using K = CrashKernel;
using Core = LockCore<K>;
using Slots = LockSlots<K>;

constexpr Deadline now_or_not_at_all = Deadline::min();
constexpr LockTableLimits limits{.sessions = 4, .locks = 16};

class LockKill : public NothingLeft {
 public:
  LockKill() : slots(memory_.data(), limits), core(slots) {}

  // `before`; then in a child `prepare` and `act`, which is killed before its step 0, 1, 2 … until
  // it gets through; between these two `beside`, and at the end `after`, in this process.
  struct Scenario {
    std::function<void()> before = [] {}, prepare = [] {}, beside = [] {}, act, after = [] {};
  };
  void at_every_step(const Scenario& scenario) {
    for (long step = 0;; ++step) {
      SCOPED_TRACE(step);
      slots.format();
      scenario.before();
      steps_->ready.clear();
      steps_->go.clear();
      auto child = fork_to([&] {
        scenario.prepare();
        steps_->ready.set();
        if (!steps_->go.wait(soon_enough())) return 1;
        K::steps_left = step;
        scenario.act();
        K::steps_left = -1;
        return HasFailure() ? 1 : 0;
      });
      ASSERT_TRUE(steps_->ready.wait(soon_enough()));
      scenario.beside();
      steps_->go.set();
      const os::ExitStatus status = child.wait();
      const bool killed = status.signal == SIGKILL;
      ASSERT_TRUE(killed || (status.signal == 0 && status.code == 0)) << status.text();
      EXPECT_EQ(check(), "") << "right after the kill";
      scenario.after();
      prove_it_goes_on();
      if (HasFailure() || !killed) break;
      ++kills_;
    }
    EXPECT_GT(kills_, 10);
    RecordProperty("kills", std::to_string(kills_));
  }
  Core::Id begin(const char* name) { return core.begin(name).value(); }
  Result<> lock(Core::Id id, Resource what, LockMode mode, Deadline deadline) {
    return core.lock(id, what, mode, deadline, nullptr);
  }
  bool waits(Core::Id id, Resource what, LockMode mode) {
    Core::Call call(what, mode);
    const auto done = core.advance(id, call, false, nullptr);
    return done && !*done;
  }
  std::string check() { return LockCheck<K>(slots).run(); }

 private:
  struct Steps {
    Event ready, go;
  };
  // Everything can be had, by as many as there may be; nothing of the dead is left.
  void prove_it_goes_on() {
    EXPECT_EQ(check(), "");
    const Core::Id all = begin("all");
    for (const char* table : {"t", "u"}) EXPECT_TRUE(lock(all, table, X, soon_enough()));
    for (std::uint64_t row = 0; row < limits.locks - 2; ++row) {
      EXPECT_TRUE(lock(all, {"t", row}, X, soon_enough()));
    }
    EXPECT_TRUE(core.end(all));
    for (std::uint32_t i = 0; i < limits.sessions; ++i) EXPECT_TRUE(core.begin("all of them"));
    EXPECT_EQ(check(), "");
  }

  os::SharedPages memory_{Slots::bytes(limits) + sizeof(Steps)};
  Steps* steps_ = ::new (static_cast<std::byte*>(memory_.data()) + Slots::bytes(limits)) Steps;
  long kills_ = 0;

 protected:
  Slots slots;
  Core core;
};

TEST_F(LockKill, OneThatIsAlone) {
  at_every_step({.act = [&] {
    const auto id = begin("dies");
    EXPECT_TRUE(lock(id, {"t", 1}, S, never));
    EXPECT_TRUE(lock(id, {"t", 1}, X, never));
    EXPECT_TRUE(lock(id, {"t", 2}, X, never));
    EXPECT_TRUE(core.unlock(id, {"t", 1}));
    EXPECT_TRUE(lock(id, "t", S, never));
    EXPECT_TRUE(core.end(id));
  }});
}

// What the parent waits for is let go, or its holder killed.
TEST_F(LockKill, OneThatOthersWaitFor) {
  Core::Id dies, row, table;
  at_every_step({.prepare =
                     [&] {
                       dies = begin("dies");
                       EXPECT_TRUE(lock(dies, {"t", 1}, X, never));
                       EXPECT_TRUE(lock(dies, {"t", 2}, X, never));
                     },
                 .beside =
                     [&] {
                       row = begin("row"), table = begin("table");
                       EXPECT_TRUE(waits(row, {"t", 1}, S));
                       EXPECT_TRUE(waits(table, "t", S));
                     },
                 .act =
                     [&] {
                       EXPECT_TRUE(core.unlock(dies, {"t", 1}));
                       EXPECT_TRUE(core.release_all(dies));
                     },
                 .after =
                     [&] {
                       EXPECT_TRUE(lock(row, {"t", 1}, S, soon_enough()));
                       EXPECT_TRUE(lock(table, "t", S, soon_enough()));
                       EXPECT_EQ(check(), "");
                       EXPECT_TRUE(core.end(row));
                       EXPECT_TRUE(core.end(table));
                     }});
}

TEST_F(LockKill, OneThatWaitsForAnUpgrade) {
  Core::Id dies, reader;
  at_every_step({.prepare =
                     [&] {
                       dies = begin("dies");
                       EXPECT_TRUE(lock(dies, {"t", 1}, S, never));
                     },
                 .beside =
                     [&] {
                       reader = begin("reader");
                       EXPECT_TRUE(lock(reader, {"t", 1}, S, never));
                     },
                 .act =
                     [&] {
                       EXPECT_TRUE(waits(dies, {"t", 1}, X));
                       EXPECT_FALSE(lock(dies, {"t", 1}, X, now_or_not_at_all));  // and gives up
                       EXPECT_TRUE(core.end(dies));
                     },
                 .after =
                     [&] {
                       EXPECT_TRUE(lock(reader, {"t", 1}, X, soon_enough()));
                       EXPECT_TRUE(core.end(reader));
                     }});
}

TEST_F(LockKill, OneThatClosesACycleAndGivesWay) {
  Core::Id dies, older;
  at_every_step({.before =
                     [&] {
                       older = begin("older");
                       EXPECT_TRUE(lock(older, {"u", 1}, X, never));
                     },
                 .prepare =
                     [&] {
                       dies = begin("dies");
                       EXPECT_TRUE(lock(dies, {"t", 1}, X, never));
                     },
                 .beside = [&] { EXPECT_TRUE(waits(older, {"t", 1}, X)); },
                 .act =
                     [&] {
                       EXPECT_EQ(lock(dies, {"u", 1}, X, never).error(), errno_code(EDEADLK));
                       EXPECT_TRUE(core.end(dies));
                     },
                 .after =
                     [&] {
                       EXPECT_TRUE(lock(older, {"t", 1}, X, soon_enough()));
                       EXPECT_TRUE(core.end(older));
                     }});
}

TEST_F(LockKill, OneThatMakesAnotherGiveWay) {
  Core::Id dies, older, youngest;
  int told_so = 0;
  at_every_step({.before =
                     [&] {
                       older = begin("older");
                       EXPECT_TRUE(lock(older, {"u", 1}, X, never));
                     },
                 .prepare =
                     [&] {
                       dies = begin("dies");
                       EXPECT_TRUE(lock(dies, {"t", 1}, X, never));
                     },
                 .beside =
                     [&] {
                       youngest = begin("youngest");
                       EXPECT_TRUE(lock(youngest, {"t", 2}, X, never));
                       EXPECT_TRUE(waits(youngest, {"u", 1}, X));
                       EXPECT_TRUE(waits(older, {"t", 1}, X));
                     },
                 .act = [&] { EXPECT_TRUE(waits(dies, {"t", 2}, X)); },
                 .after =
                     [&] {
                       EXPECT_TRUE(lock(older, {"t", 1}, X, soon_enough()));
                       EXPECT_TRUE(core.end(older));
                       Deadlock deadlock;
                       const auto locked =
                           core.lock(youngest, {"u", 1}, X, soon_enough(), &deadlock);
                       if (!locked) {
                         EXPECT_EQ(locked.error(), errno_code(EDEADLK));
                         EXPECT_EQ(deadlock.length, 3u);
                         EXPECT_EQ(deadlock.cycle.at(0).owner(), "youngest");
                         EXPECT_EQ(deadlock.cycle.at(1).owner(), "older");
                         EXPECT_EQ(deadlock.cycle.at(2).owner(), "dies");
                         ++told_so;
                       }
                       EXPECT_TRUE(core.end(youngest));
                     }});
  EXPECT_GT(told_so, 0);
}

// What waits for the one that dies is asleep behind another that it could go before.
TEST_F(LockKill, OneThatUntanglesTheQueues) {
  Core::Id dies, has_first, wants_first, reader;
  int untangled = 0;
  const Resource first("t", 1), second("t", 2), third("t", 3);
  at_every_step({.prepare =
                     [&] {
                       dies = begin("dies");
                       EXPECT_TRUE(lock(dies, second, S, never));
                     },
                 .beside =
                     [&] {
                       has_first = begin("has first"), wants_first = begin("wants first");
                       reader = begin("reader");
                       EXPECT_TRUE(lock(has_first, first, S, never));
                       EXPECT_TRUE(waits(has_first, second, X));
                       EXPECT_TRUE(waits(wants_first, first, X));
                       EXPECT_TRUE(lock(reader, third, X, never));
                       EXPECT_TRUE(waits(reader, first, S));
                     },
                 .act = [&] { EXPECT_TRUE(waits(dies, third, S)); },
                 .after =
                     [&] {
                       EXPECT_TRUE(lock(has_first, second, X, soon_enough()));
                       EXPECT_TRUE(core.end(has_first));
                       const bool before = core.held(reader, first).value() == S;
                       untangled += before;
                       if (before) {
                         EXPECT_TRUE(core.end(reader));
                       }
                       EXPECT_TRUE(lock(wants_first, first, X, soon_enough()));
                       EXPECT_TRUE(core.end(wants_first));
                       if (before) return;
                       EXPECT_TRUE(lock(reader, first, S, soon_enough()));
                       EXPECT_TRUE(core.end(reader));
                     }});
  EXPECT_GT(untangled, 1);
}

// Processes that lock rows at random and are killed at random, each followed by another.
TEST_F(LockKill, ACrowd) {
  slots.format();
  const auto work = [&](std::uint64_t seed, bool dies) {
    Random random(seed);
    const auto id = begin("one of the crowd");
    K::steps_left = dies ? static_cast<long>(random.below(20'000)) : -1;
    for (int done = 0; done < 200 || dies;) {
      const bool both = lock(id, {"t", random.below(3)}, random.chance(1, 2) ? S : X, never) &&
                        lock(id, {"t", random.below(3)}, X, never);
      done += both;
      if (!core.release_all(id)) return 1;
    }
    K::steps_left = -1;
    return core.end(id) ? 0 : 1;
  };
  auto lives = fork_to([&] { return work(0, false); });
  for (std::uint64_t seed = 1; seed <= (POLYIO_ASAN || POLYIO_TSAN ? 5 : 20); ++seed) {
    auto one = fork_to([&] { return work(seed, true); });
    auto two = fork_to([&] { return work(seed + 1000, true); });
    EXPECT_EQ(one.wait().signal, SIGKILL) << "seed " << seed;
    EXPECT_EQ(two.wait().signal, SIGKILL) << "seed " << seed;
  }
  EXPECT_EQ(lives.wait().code, 0);
  const auto all = begin("all");
  EXPECT_TRUE(lock(all, "t", X, soon_enough()));
  EXPECT_TRUE(core.end(all));
  EXPECT_EQ(check(), "");
}

}  // namespace
}  // namespace polyio::ipc
