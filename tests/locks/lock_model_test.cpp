#include <gtest/gtest.h>

#include <cstring>
#include <polyio/base/random.hpp>
#include <polyio/base/sanitizers.hpp>

#include "lock_check.hpp"
#include "lock_model.hpp"

namespace polyio::ipc {
namespace {

using Core = LockCore<SharedKernel>;
using Slots = LockSlots<SharedKernel>;
using Outcome = LockModel::Outcome;

constexpr int sessions = 6;
constexpr LockTableLimits limits{.sessions = sessions, .locks = 64};

Resource resource(const std::string& table, const std::string& row) {
  return row.empty() ? Resource(table) : Resource(table, std::stoul(row));
}

Outcome outcome_of(const Result<bool>& done) {
  if (done) return *done ? Outcome::granted : Outcome::waits;
  return done.error() == errno_code(EDEADLK) ? Outcome::deadlock : Outcome::late;
}

// The real table and the model, asked the same.
class Pair {
 public:
  explicit Pair(std::uint64_t seed) : random_(seed), core_(memory_.slots) {
    for (int i = 0; i < sessions; ++i) ids_.push_back(core_.begin("s" + std::to_string(i)).value());
    calls_.resize(sessions);
  }
  void step() {
    const int session = static_cast<int>(random_.below(sessions));
    auto& call = calls_[std::size_t(session)];
    if (call) {
      advance(session, random_.chance(1, 8));
    } else if (random_.chance(1, 12)) {
      ASSERT_TRUE(core_.release_all(ids_[std::size_t(session)]));
      model_.release_all(session);
    } else if (random_.chance(1, 4)) {
      const auto [table, row] = draw();
      const bool done = core_.unlock(ids_[std::size_t(session)], resource(table, row)).has_value();
      ASSERT_EQ(done, model_.unlock(session, table, row));
    } else {
      const auto [table, row] = draw();
      const LockMode mode = row.empty()            ? LockMode(1 + random_.below(5))
                            : random_.chance(1, 2) ? LockMode::S
                                                   : LockMode::X;
      call.emplace(LockModel::Call{table, row, mode, !row.empty()},
                   Core::Call(resource(table, row), mode));
      advance(session, random_.chance(1, 4));
    }
    compare();
  }
  int deadlocks() const { return deadlocks_; }

 private:
  std::pair<std::string, std::string> draw() {
    const std::string table = random_.chance(1, 2) ? "t" : "u";
    return {table, random_.chance(1, 3) ? "" : std::to_string(random_.below(2))};
  }
  void advance(int session, bool late) {
    auto& call = calls_[std::size_t(session)];
    const bool doomed_before = model_.doomed(session);
    const auto done = core_.advance(ids_[std::size_t(session)], call->second, late, nullptr);
    std::set<int> doomed_now;
    for (int i = 0; i < sessions; ++i) {
      if (memory_.slots.session(std::uint32_t(i) + 1)->doomed.load() && !model_.doomed(i)) {
        doomed_now.insert(i);
      }
    }
    if (outcome_of(done) == Outcome::deadlock && !doomed_before) doomed_now.insert(session);
    deadlocks_ += static_cast<int>(doomed_now.size());
    ASSERT_EQ(outcome_of(done), model_.advance(session, call->first, late, doomed_now));
    ASSERT_TRUE(doomed_now.empty()) << "gives way, but is not the youngest of a cycle";
    ASSERT_FALSE(model_.reaches(session, session, sessions, LockModel::Edges::all))
        << "a cycle stays";
    if (outcome_of(done) != Outcome::waits) call.reset();
  }
  void compare() {
    ASSERT_STREQ(LockCheck<SharedKernel>(memory_.slots).run(), "");
    for (int session = 0; session < sessions; ++session) {
      for (const std::string table : {"t", "u"}) {
        for (const std::string row : {"", "0", "1"}) {
          const LockModel::Place place = model_.find(session, table + row);
          const auto held = core_.held(ids_[std::size_t(session)], resource(table, row));
          ASSERT_EQ(held.value(), place.granted) << session << " " << table << row;
        }
      }
      const bool waits = memory_.slots.session(std::uint32_t(session) + 1)->waiting.load() != 0;
      ASSERT_EQ(waits, model_.waits(session)) << session;
    }
  }

  Random random_;
  TableInMemory memory_{limits};
  Core core_;
  LockModel model_;
  std::vector<Core::Id> ids_;
  std::vector<std::optional<std::pair<LockModel::Call, Core::Call>>> calls_;
  int deadlocks_ = 0;
};

TEST(LockModel, TheTableDoesAsTheModelSays) {
  constexpr std::uint64_t seeds = POLYIO_ASAN || POLYIO_TSAN ? 20 : 100;
  int deadlocks = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Pair pair(seed);
    for (int step = 0; step < 300; ++step) {
      pair.step();
      ASSERT_FALSE(HasFatalFailure()) << "seed " << seed << ", step " << step;
    }
    deadlocks += pair.deadlocks();
  }
  EXPECT_GT(deadlocks, 0);
}

// Damage anywhere but in the mutex: calls end, whatever they return.
TEST(LockMemory, ThatIsDamagedHarmsNoProcess) {
  int noticed = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    TableInMemory memory(limits);
    Core core(memory.slots);
    std::vector<Core::Id> ids;
    for (int i = 0; i < sessions; ++i) ids.push_back(core.begin("s").value());
    const auto work = [&] {
      for (int i = 0; i < 100; ++i) {
        const auto id = ids[random.below(ids.size())];
        const Resource what("t", random.below(8));
        const LockMode mode = random.chance(1, 2) ? LockMode::S : LockMode::X;
        Core::Call call(what, mode);
        Deadlock deadlock;
        const auto done = core.advance(id, call, random.chance(1, 2), &deadlock);
        if (!done && done.error() == errno_code(EDEADLK))
          EXPECT_LT(deadlock.text().size(), 10'000u);
        if (!done && done.error() == errno_code(ENOTRECOVERABLE)) ++noticed;
        if (random.chance(1, 3)) (void)core.unlock(id, what);
        if (random.chance(1, 10)) (void)core.release_all(id);
        if (random.chance(1, 30)) (void)core.end(id);
        if (random.chance(1, 30)) (void)core.begin("s");
      }
    };
    work();
    auto* const bytes = reinterpret_cast<unsigned char*>(memory.bytes.get());
    const std::size_t mutex = static_cast<std::size_t>(
        reinterpret_cast<unsigned char*>(&memory.slots.header().mutex) - bytes);
    for (std::uint64_t i = 0, count = 1 + random.below(30); i < count; ++i) {
      const std::size_t at = random.below(Slots::bytes(limits));
      if (at >= mutex && at < mutex + sizeof(BasicMutex<SharedKernel>)) continue;
      bytes[at] = static_cast<unsigned char>(random.next());
    }
    work();
    (void)LockCheck<SharedKernel>(memory.slots).run();
  }
  EXPECT_GT(noticed, 0);
}

}  // namespace
}  // namespace polyio::ipc
