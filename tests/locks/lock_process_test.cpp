#include <gtest/gtest.h>

#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/locks/lock_table.hpp>
#include <thread>

#include "ipc/forms.hpp"
#include "lock_check.hpp"

namespace polyio::ipc {
namespace {

using enum LockMode;
constexpr Deadline now_or_not_at_all = Deadline::min();

class LockProcesses : public NothingLeft {};

TEST_F(LockProcesses, AThreadThatHoldsAllMutexesItMayLetsGoAllTheSame) {
  LockTable table;
  auto other = table.begin("other").value();
  {
    auto session = table.begin("at its limit").value();
    ASSERT_TRUE(session.lock({"t", 1}, X));
    ASSERT_TRUE(session.lock({"t", 2}, X));
    const test::AtItsLimit limit;
    EXPECT_TRUE(session.unlock({"t", 2}));
    EXPECT_TRUE(other.lock({"t", 2}, X, now_or_not_at_all));
    const auto ends = std::move(session);
  }
  EXPECT_TRUE(other.lock("t", X, now_or_not_at_all));
}

TEST_F(LockProcesses, AnotherRowGoesOnTheSameWaitsATableMeetsTheRows) {
  LockTable table;
  auto mine = table.begin("parent").value();
  ASSERT_TRUE(mine.lock({"t", 1}, X));
  auto child = fork_to([&] {
    auto session = table.begin("child").value();
    if (mine.lock({"t", 5}, X).error() != errno_code(EPERM)) return 1;  // the parent's
    if (!session.lock({"t", 2}, X, soon_enough())) return 2;
    if (session.lock({"t", 1}, X, now_or_not_at_all)) return 3;
    if (session.lock("t", S, now_or_not_at_all)) return 4;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_EQ(mine.held(Resource("t", 1)), X) << "the child's copy has let go of nothing";
}

// Killed while it holds a row and while others wait for it.
TEST_F(LockProcesses, DeathReleases) {
  LockTable table;
  Shared<Event> locked;
  auto dies = fork_to([&] {
    auto session = table.begin("dies").value();
    if (!session.lock({"t", 1}, X)) return 1;
    locked->set();
    return session.lock({"t", 1}, X) ? ::pause() : 2;
  });
  ASSERT_TRUE(locked->wait(soon_enough()));
  auto waits = fork_to([&] {
    auto session = table.begin("waits").value();
    return session.lock({"t", 1}, X, soon_enough()) ? 0 : 1;
  });
  auto mine = table.begin("parent").value();
  EXPECT_EQ(mine.lock({"t", 1}, X, now_or_not_at_all).error(), std::errc::timed_out);
  dies.signal(SIGKILL);
  EXPECT_EQ(dies.wait().signal, SIGKILL);
  EXPECT_TRUE(mine.lock("t", X, soon_enough()));
  ASSERT_TRUE(mine.release_all());
  EXPECT_EQ(waits.wait().code, 0);
  EXPECT_STREQ(check(table), "");
}

// Each process has a row and wants the next one's: the youngest gives way and tries again.
TEST_F(LockProcesses, ADeadlockOfAnyLengthEndsAndAllFinish) {
  for (const std::uint64_t count : {2, 3, 5, 8}) {
    LockTable table;
    struct Meeting {
      Barrier all;
      Word<SharedKernel> turn, victims, wrong;
      explicit Meeting(std::uint32_t parties) : all(parties) {}
    };
    Shared<Meeting> meeting(std::in_place, static_cast<std::uint32_t>(count));
    std::vector<os::ChildProcess> children;
    for (std::uint64_t i = 0; i < count; ++i) {
      children.push_back(fork_to([&, i] {
        while (meeting->turn.load() != i) std::this_thread::yield();  // the last is the youngest
        auto session = table.begin("process " + std::to_string(i)).value();
        meeting->turn.fetch_add(1);
        for (bool first = true;; first = false) {
          if (!session.lock({"t", i}, X, soon_enough())) return 1;
          if (first && !meeting->all.wait(soon_enough())) return 2;
          const auto locked = session.lock({"t", (i + 1) % count}, X, soon_enough());
          if (locked) return 0;
          if (locked.error() != errno_code(EDEADLK)) return 3;
          meeting->victims.fetch_add(1);
          const Deadlock& deadlock = session.deadlock();
          if (i != count - 1 || deadlock.length != count ||
              deadlock.cycle.at(0).pid != ::getpid()) {
            meeting->wrong.fetch_add(1);
          }
          if (!session.release_all()) return 4;
        }
      }));
    }
    for (auto& child : children) EXPECT_EQ(child.wait().code, 0);
    EXPECT_EQ(meeting->victims.load(), 1u) << count;
    EXPECT_EQ(meeting->wrong.load(), 0u) << count;
    EXPECT_STREQ(check(table), "");
  }
}

TEST_F(LockProcesses, OneOfANameIsTheSameForAll) {
  const std::string name = "polyio-test-locks-" + std::to_string(::getpid());
  LockTable table(name);
  auto mine = table.begin("parent").value();
  ASSERT_TRUE(mine.lock("t", X));
  auto child = fork_to([&] {
    LockTable same(name);
    auto session = same.begin("child").value();
    return session.lock("t", S, now_or_not_at_all) ? 1 : 0;
  });
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_THROW(LockTable(name, {.sessions = 3}), std::system_error);
  EXPECT_THROW(LockTable("no/name"), std::system_error);
}

// More sessions than there may be, all of processes that were killed, leave room for others.
TEST_F(LockProcesses, TheDeadMakeRoom) {
  LockTable table({.sessions = 2, .locks = 3});
  for (int i = 0; i < 5; ++i) {
    auto dies = fork_to([&] {
      auto session = table.begin("dies").value();
      if (!session.lock({"t", 1}, X, soon_enough()) || !session.lock({"t", 2}, X)) return 1;
      return ::raise(SIGKILL);
    });
    EXPECT_EQ(dies.wait().signal, SIGKILL);
  }
  auto mine = table.begin("parent").value(), other = table.begin("other").value();
  EXPECT_TRUE(mine.lock({"u", 1}, X, now_or_not_at_all));
  EXPECT_STREQ(check(table), "");
}

}  // namespace
}  // namespace polyio::ipc
