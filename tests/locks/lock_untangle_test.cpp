// Cycles that only the order of a queue makes: no session gives way, some requests go before
// others. First by hand, then at random beside a search through every order of granting. Everything
// in one thread: a session that waits is looked at again.
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <polyio/base/random.hpp>
#include <polyio/base/sanitizers.hpp>

#include "lock_check.hpp"

namespace polyio::ipc {
namespace {

using enum LockMode;
using Core = LockCore<SharedKernel>;

enum class Answer { has_it, waits, late, deadlock };

// Sessions that are numbered from 0, the oldest, and lock whole tables.
class Sessions {
 public:
  explicit Sessions(int count)
      : memory_({.sessions = std::uint32_t(count), .locks = 64}),
        core_(memory_.slots),
        calls_(std::size_t(count)) {
    for (int i = 0; i < count; ++i) ids_.push_back(core_.begin("s" + std::to_string(i)).value());
  }
  ~Sessions() { EXPECT_STREQ(LockCheck<SharedKernel>(memory_.slots).run(), ""); }

  Answer lock(int session, const char* table, LockMode mode, bool now_or_never = false) {
    ask(session, table, mode);
    return look(session, now_or_never);
  }
  // Without a look at it.
  void ask(int session, const char* table, LockMode mode) {
    calls_[std::size_t(session)].emplace(table, mode);
  }
  // What has become of its call.
  Answer look(int session, bool now_or_never = false) {
    auto& call = calls_[std::size_t(session)];
    const auto done = core_.advance(ids_[std::size_t(session)], *call, now_or_never, &deadlock_);
    if (done && !*done) return Answer::waits;
    call.reset();
    if (done) return Answer::has_it;
    return done.error() == errno_code(EDEADLK) ? Answer::deadlock : Answer::late;
  }
  void let_go(int session) { EXPECT_TRUE(core_.release_all(ids_[std::size_t(session)])); }
  LockMode held(int session, const char* table) {
    return core_.held(ids_[std::size_t(session)], table).value();
  }
  // The call that has not been answered.
  const Core::Call* call(int session) const {
    const auto& call = calls_[std::size_t(session)];
    return call ? &*call : nullptr;
  }
  bool doomed(int session) const {
    return memory_.slots.session(ids_[std::size_t(session)].slot)->doomed.load() != 0;
  }
  int count() const { return static_cast<int>(ids_.size()); }
  const Deadlock& deadlock() const { return deadlock_; }

 private:
  TableInMemory memory_;
  Core core_;
  std::vector<Core::Id> ids_;
  std::vector<std::optional<Core::Call>> calls_;
  Deadlock deadlock_;
};

// A writer waits for `holds_a`, that for the asker: so the asker can as well go before the writer.
struct OverAnother : Sessions {
  OverAnother() : Sessions(4) {
    EXPECT_EQ(lock(holds_a, "a", S), Answer::has_it);
    EXPECT_EQ(lock(asker, "b", X), Answer::has_it);
    EXPECT_EQ(lock(writer, "a", X), Answer::waits);
    EXPECT_EQ(lock(holds_a, "b", S), Answer::waits);
  }
  static constexpr int holds_a = 0, writer = 1, asker = 2, other = 3;
};

TEST(Untangling, TheAskerGoesBeforeASessionThatWaitsForItOverAnother) {
  OverAnother s;
  EXPECT_EQ(s.lock(s.asker, "a", S), Answer::has_it);
  EXPECT_EQ(s.look(s.writer), Answer::waits);
  s.let_go(s.asker);
  EXPECT_EQ(s.look(s.holds_a), Answer::has_it);
  s.let_go(s.holds_a);
  EXPECT_EQ(s.look(s.writer), Answer::has_it);
}

TEST(Untangling, ACallThatNeverWaitsGoesBeforeToo) {
  OverAnother s;
  EXPECT_EQ(s.lock(s.asker, "a", S, true), Answer::has_it);
}

TEST(Untangling, AnUninvolvedSessionDoesNotGoBefore) {
  OverAnother s;
  EXPECT_EQ(s.lock(s.other, "a", S, true), Answer::late);
  EXPECT_EQ(s.lock(s.asker, "a", S), Answer::has_it);
  EXPECT_EQ(s.lock(s.other, "a", S), Answer::waits);
  s.let_go(s.asker);
  EXPECT_EQ(s.look(s.holds_a), Answer::has_it);
  EXPECT_EQ(s.look(s.other), Answer::waits) << "the writer came first";
  s.let_go(s.holds_a);
  EXPECT_EQ(s.look(s.writer), Answer::has_it);
  EXPECT_EQ(s.look(s.other), Answer::waits);
}

TEST(Untangling, ItIsADeadlockWhereTheLockIsHeld) {
  OverAnother s;
  EXPECT_EQ(s.lock(s.asker, "a", X), Answer::deadlock);
  EXPECT_EQ(s.deadlock().length, 2u) << s.deadlock().text();
}

TEST(Untangling, TheOneThatGoesBeforeMayHaveToWaitForAThird) {
  Sessions s(4);
  constexpr int holds_a = 0, writer = 1, asker = 2, third = 3;
  EXPECT_EQ(s.lock(holds_a, "a", IS), Answer::has_it);
  EXPECT_EQ(s.lock(third, "a", IX), Answer::has_it);
  EXPECT_EQ(s.lock(asker, "b", X), Answer::has_it);
  EXPECT_EQ(s.lock(writer, "a", X), Answer::waits);
  EXPECT_EQ(s.lock(holds_a, "b", S), Answer::waits);
  EXPECT_EQ(s.lock(asker, "a", S), Answer::waits);
  s.let_go(third);
  EXPECT_EQ(s.look(asker), Answer::has_it);
  s.let_go(asker);
  EXPECT_EQ(s.look(holds_a), Answer::has_it);
  s.let_go(holds_a);
  EXPECT_EQ(s.look(writer), Answer::has_it);
}

// Each of two readers is behind a writer that waits for the other reader.
TEST(Untangling, OfTwoQueuesOneChanges) {
  Sessions s(4);
  constexpr int first = 0, second = 1, first_writer = 2, second_writer = 3;
  EXPECT_EQ(s.lock(second, "a", S), Answer::has_it);
  EXPECT_EQ(s.lock(first, "b", S), Answer::has_it);
  EXPECT_EQ(s.lock(first_writer, "a", X), Answer::waits);
  EXPECT_EQ(s.lock(second_writer, "b", X), Answer::waits);
  EXPECT_EQ(s.lock(first, "a", S), Answer::waits);
  EXPECT_EQ(s.lock(second, "b", S), Answer::has_it);
  s.let_go(second);
  EXPECT_EQ(s.look(first_writer), Answer::has_it) << "its place is where it was";
  s.let_go(first_writer);
  EXPECT_EQ(s.look(first), Answer::has_it);
  s.let_go(first);
  EXPECT_EQ(s.look(second_writer), Answer::has_it);
}

// The asker must wait for what the reader has, so it is the reader that goes before the writer.
TEST(Untangling, TheQueueMayBeOneThatTheAskerIsNotIn) {
  Sessions s(4);
  constexpr int asker = 0, holds_a = 1, writer = 2, reader = 3;
  EXPECT_EQ(s.lock(asker, "b", S), Answer::has_it);
  EXPECT_EQ(s.lock(holds_a, "a", S), Answer::has_it);
  EXPECT_EQ(s.lock(reader, "c", X), Answer::has_it);
  EXPECT_EQ(s.lock(holds_a, "b", X), Answer::waits);
  EXPECT_EQ(s.lock(writer, "a", X), Answer::waits);
  EXPECT_EQ(s.lock(reader, "a", S), Answer::waits);
  EXPECT_EQ(s.lock(asker, "c", S), Answer::waits);
  EXPECT_EQ(s.look(reader), Answer::has_it);
  s.let_go(reader);
  EXPECT_EQ(s.look(asker), Answer::has_it);
  s.let_go(asker);
  EXPECT_EQ(s.look(holds_a), Answer::has_it);
  s.let_go(holds_a);
  EXPECT_EQ(s.look(writer), Answer::has_it);
}

TEST(Untangling, ANewcomerMayGoBeforeAnUpgrade) {
  Sessions s(4);
  constexpr int upgrades = 0, holder = 1, newcomer = 2, late = 3;
  EXPECT_EQ(s.lock(upgrades, "a", IS), Answer::has_it);
  EXPECT_EQ(s.lock(holder, "a", IX), Answer::has_it);
  EXPECT_EQ(s.lock(newcomer, "b", X), Answer::has_it);
  EXPECT_EQ(s.lock(upgrades, "a", S), Answer::waits);
  EXPECT_EQ(s.lock(holder, "b", S), Answer::waits);
  EXPECT_EQ(s.lock(late, "a", IX), Answer::waits);
  EXPECT_EQ(s.lock(newcomer, "a", IX), Answer::has_it);
  s.let_go(newcomer);
  EXPECT_EQ(s.look(holder), Answer::has_it);
  s.let_go(holder);
  EXPECT_EQ(s.look(upgrades), Answer::has_it);
  EXPECT_EQ(s.look(late), Answer::waits);
}

// --- every order of granting ---

constexpr std::array<const char*, 3> tables = {"a", "b", "c"};

// Whether there is an order in which all go on: each gets what it wants beside what those hold
// that come later, and then lets go of everything.
bool some_order_goes(Sessions& s) {
  std::vector<int> order(std::size_t(s.count()));
  std::iota(order.begin(), order.end(), 0);
  const auto goes = [&](std::size_t at) {
    const Core::Call* const call = s.call(order[at]);
    if (!call || s.doomed(order[at])) return true;
    const std::string table(call->what.table());
    const LockMode wanted = stronger_of(s.held(order[at], table.c_str()), call->mode);
    return std::all_of(order.begin() + std::ptrdiff_t(at) + 1, order.end(),
                       [&](int later) { return compatible(s.held(later, table.c_str()), wanted); });
  };
  do {
    bool all = true;
    for (std::size_t at = 0; all && at < order.size(); ++at) all = goes(at);
    if (all) return true;
  } while (std::ranges::next_permutation(order).found);
  return false;
}

// A session asks for something. Returns whether one had to give way, which is right only where no
// order goes.
bool ask_at_random(Sessions& s, int session, Random& random) {
  const LockMode mode = random.chance(1, 3)   ? LockMode(1 + random.below(5))
                        : random.chance(1, 2) ? S
                                              : X;
  s.ask(session, tables[random.below(tables.size())], mode);
  const bool avoidable = some_order_goes(s);
  bool reported = s.look(session) == Answer::deadlock;
  if (reported) s.let_go(session);
  for (int other = 0; other < s.count(); ++other) {
    if (!s.call(other) || !s.doomed(other)) continue;
    reported = true;
    EXPECT_EQ(s.look(other), Answer::deadlock);
    s.let_go(other);
  }
  EXPECT_EQ(reported, !avoidable);
  return reported;
}
// All that have what they want let go, until none waits.
void end_all(Sessions& s) {
  int waiting = 0;
  for (int round = 0; round <= s.count(); ++round) {
    waiting = 0;
    for (int session = 0; session < s.count(); ++session) {
      if (s.call(session)) s.look(session);
      if (!s.call(session)) s.let_go(session);
      waiting += s.call(session) != nullptr;
    }
  }
  EXPECT_EQ(waiting, 0) << "a cycle stays";
}

TEST(Untangling, ADeadlockIsReportedWhereNoOrderAvoidsItAndNowhereElse) {
  constexpr std::uint64_t seeds = POLYIO_ASAN || POLYIO_TSAN ? 1000 : 5000;
  int deadlocks = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Sessions s(3 + static_cast<int>(random.below(3)));
    for (int step = 0; step < 20; ++step) {
      const int session = static_cast<int>(random.below(std::uint64_t(s.count())));
      if (!s.call(session)) {
        deadlocks += ask_at_random(s, session, random);
      } else {
        s.look(session);
      }
    }
    end_all(s);
  }
  EXPECT_GT(deadlocks, 100);
}

}  // namespace
}  // namespace polyio::ipc
