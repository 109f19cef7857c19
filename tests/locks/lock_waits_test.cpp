#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <polyio/base/sanitizers.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/locks/lock_table.hpp>
#include <thread>

#include "lock_check.hpp"

namespace polyio::ipc {
namespace {

using enum LockMode;
using namespace std::chrono_literals;

constexpr Deadline now_or_not_at_all = Deadline::min();

// A generous end for a test that would hang.
Deadline soon() { return monotonic_now() + 60s; }

// Waits until `holds()`; the table is looked at, so nothing is measured.
template <class Predicate>
void await(Predicate holds) {
  for (const Deadline end = soon(); !holds() && monotonic_now() < end;) std::this_thread::yield();
}

TEST(LockQueue, IsFirstComeFirstServed) {
  LockTable table;
  auto holder = table.begin("holder").value(), probe = table.begin("probe").value();
  ASSERT_TRUE(holder.lock("t", S));
  std::jthread writer([&] {
    auto session = table.begin("writer").value();
    EXPECT_TRUE(session.lock("t", X, soon()));
  });
  // S goes with S, but not past a session that waits for X.
  await([&] {
    const bool passed = probe.lock("t", S, now_or_not_at_all).has_value();
    (void)probe.release_all();
    return !passed;
  });
  EXPECT_EQ(probe.lock("t", S, now_or_not_at_all).error(), std::errc::timed_out);
  ASSERT_TRUE(holder.release_all());
  EXPECT_TRUE(probe.lock("t", S, soon()));
}

TEST(LockQueue, ADeadlineThatPassesLetsThoseBehindGoOn) {
  LockTable table;
  auto holder = table.begin("holder").value(), probe = table.begin("probe").value();
  ASSERT_TRUE(holder.lock("t", S));
  std::jthread writer([&] {
    auto session = table.begin("writer").value();
    EXPECT_EQ(session.lock("t", X, monotonic_now() + 50ms).error(), std::errc::timed_out);
  });
  EXPECT_TRUE(probe.lock("t", S, soon()));  // before the writer, or when it has given up
  writer.join();
  EXPECT_STREQ(check(table), "");
}

TEST(LockQueue, AnUpgradeGoesBeforeNewcomers) {
  LockTable table;
  auto reader = table.begin("reader").value(), other = table.begin("other").value();
  auto probe = table.begin("probe").value();
  ASSERT_TRUE(reader.lock("t", S));
  ASSERT_TRUE(other.lock("t", S));
  std::atomic<int> order = 0;
  int writer_came = 0, upgrade_came = 0;
  std::jthread writer([&] {
    auto session = table.begin("writer").value();
    ASSERT_TRUE(session.lock("t", X, soon()));
    writer_came = ++order;
  });
  await([&] {
    const bool passed = probe.lock("t", S, now_or_not_at_all).has_value();
    (void)probe.release_all();
    return !passed;
  });
  std::jthread upgrade([&] {
    ASSERT_TRUE(reader.lock("t", X, soon()));
    upgrade_came = ++order;
    ASSERT_TRUE(reader.release_all());
  });
  await([&] {  // IS goes with S and SIX, not with X: the upgrade waits as well by now
    return other.lock("t", SIX, now_or_not_at_all).error() == std::errc::timed_out;
  });
  ASSERT_TRUE(other.release_all());
  upgrade.join();
  writer.join();
  EXPECT_EQ(upgrade_came, 1);
  EXPECT_EQ(writer_came, 2);
  EXPECT_STREQ(check(table), "");
}

TEST(LockQueue, NineBuyersNeverOversell) {
  LockTable table;
  int left = 1000, sold = 0;
  {
    std::vector<std::jthread> buyers;
    for (int i = 0; i < 9; ++i) {
      buyers.emplace_back([&, i] {
        auto session = table.begin("buyer " + std::to_string(i)).value();
        for (;;) {
          ASSERT_TRUE(session.lock({"tickets", 1}, X, soon()));
          const bool any = left > 0;
          if (any) --left, ++sold;
          ASSERT_TRUE(session.unlock({"tickets", 1}));
          if (!any) return;
        }
      });
    }
  }
  EXPECT_EQ(sold, 1000);
  EXPECT_STREQ(check(table), "");
}

// Each of `count` sessions has a row and wants the next one's. Returns how many had to give way.
int ring(LockTable& table, std::uint64_t count, std::uint64_t& victim, Deadlock& deadlock) {
  std::vector<LockTable::Session> sessions;
  for (std::uint64_t i = 0; i < count; ++i) {
    sessions.push_back(table.begin("session " + std::to_string(i)).value());
    EXPECT_TRUE(sessions.back().lock({"t", i}, X));
  }
  std::atomic<int> victims = 0, finished = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        auto& mine = sessions[i];
        const auto locked = mine.lock({"t", (i + 1) % count}, X, soon());
        if (locked) {
          ++finished;
        } else {
          EXPECT_EQ(locked.error(), errno_code(EDEADLK));
          ++victims;
          victim = i;
          deadlock = mine.deadlock();
          EXPECT_EQ(mine.lock({"t", 99}, S).error(), errno_code(EDEADLK)) << "until it lets go";
        }
        EXPECT_TRUE(mine.release_all());
        if (!locked) {
          EXPECT_TRUE(mine.lock({"t", 99}, S));
        }
      });
    }
  }
  EXPECT_EQ(finished + victims, static_cast<int>(count));
  EXPECT_STREQ(check(table), "");
  return victims;
}

TEST(Deadlocks, OfAnyLengthEndWithTheYoungestGivingWay) {
  for (const std::uint64_t count : {2, 3, 5, 8, 16, 20}) {
    LockTable table;
    std::uint64_t victim = 0;
    Deadlock deadlock;
    EXPECT_EQ(ring(table, count, victim, deadlock), 1);
    EXPECT_EQ(victim, count - 1);
    EXPECT_EQ(deadlock.length, count);
    ASSERT_EQ(deadlock.cycle.size(), std::min<std::size_t>(count, Deadlock::longest));
    for (std::size_t i = 0; i < deadlock.cycle.size(); ++i) {
      const DeadlockLink& link = deadlock.cycle[i];
      const std::uint64_t session = (count - 1 + i) % count;  // the victim first
      EXPECT_EQ(link.owner(), "session " + std::to_string(session));
      EXPECT_EQ(link.holds, Resource("t", session));
      EXPECT_EQ(link.waits_for, Resource("t", (session + 1) % count));
      EXPECT_EQ(link.holds_mode, X);
      EXPECT_EQ(link.waits_mode, X);
      EXPECT_EQ(link.pid, ::getpid());
    }
    EXPECT_EQ(deadlock.cycle[0].session, deadlock.victim);
  }
}

TEST(Deadlocks, SeveralAtOnceEachEnd) {
  LockTable table;
  std::vector<std::jthread> threads;
  std::atomic<int> finished = 0;
  for (std::uint64_t pair = 0; pair < 4; ++pair) {
    for (std::uint64_t side = 0; side < 2; ++side) {
      threads.emplace_back([&, pair, side] {
        auto session = table.begin("one of two").value();
        for (int round = 0; round < (POLYIO_TSAN ? 100 : 1000);) {
          const auto row = [&](std::uint64_t which) { return Resource("t", pair * 2 + which); };
          const bool done =
              session.lock(row(side), X, soon()) && session.lock(row(1 - side), X, soon());
          ASSERT_TRUE(session.release_all());
          round += done;
        }
        ++finished;
      });
    }
  }
  threads.clear();
  EXPECT_EQ(finished, 8);
  EXPECT_STREQ(check(table), "");
}

TEST(Deadlocks, TwoReadersThatBothWantToWrite) {
  LockTable table;
  auto older = table.begin("older").value(), younger = table.begin("younger").value();
  ASSERT_TRUE(older.lock({"t", 1}, S));
  ASSERT_TRUE(younger.lock({"t", 1}, S));
  std::jthread thread([&] { EXPECT_TRUE(older.lock({"t", 1}, X, soon())); });
  EXPECT_EQ(younger.lock({"t", 1}, X, soon()).error(), errno_code(EDEADLK));
  EXPECT_EQ(younger.held(Resource("t", 1)), S) << "what it had before";
  EXPECT_EQ(younger.deadlock().length, 2u);
  ASSERT_TRUE(younger.unlock({"t", 1}));
  thread.join();
  EXPECT_EQ(older.held(Resource("t", 1)), X);
  EXPECT_EQ(younger.lock({"t", 1}, X, now_or_not_at_all).error(), std::errc::timed_out);
  EXPECT_STREQ(check(table), "");
}

// The writer waits for the reader whatever comes, so the reader, which has what the writer waits
// for, need not wait behind it.
TEST(Deadlocks, NoneWhereAHolderCanGoBeforeWhoWaitsForIt) {
  LockTable table;
  auto writer = table.begin("writer").value(), reader = table.begin("reader").value();
  ASSERT_TRUE(reader.lock({"t", 1}, S));
  ASSERT_TRUE(writer.lock({"t", 2}, X));
  std::jthread thread([&] { EXPECT_TRUE(writer.lock("t", X, soon())); });
  await([&] {  // until the writer's request keeps newcomers away
    return !table.begin("x").value().lock({"t", 9}, S, now_or_not_at_all);
  });
  EXPECT_TRUE(reader.lock({"t", 3}, X, soon()));
  EXPECT_STREQ(check(table), "");
  ASSERT_TRUE(reader.release_all());
  thread.join();
  EXPECT_EQ(writer.held("t"), X);
}

// The same once it has to wait: for a third one, and then for nobody.
TEST(Deadlocks, NoneWhereAHolderWaitsForAThirdOne) {
  LockTable table;
  auto writer = table.begin("writer").value(), reader = table.begin("reader").value();
  auto third = table.begin("third").value();
  ASSERT_TRUE(reader.lock({"t", 1}, S));
  ASSERT_TRUE(third.lock({"t", 3}, X));
  std::jthread writes([&] { EXPECT_TRUE(writer.lock("t", X, soon())); });
  await([&] { return !table.begin("x").value().lock({"t", 9}, S, now_or_not_at_all); });
  std::jthread reads([&] {
    EXPECT_TRUE(reader.lock({"t", 3}, X, soon()));
    EXPECT_TRUE(reader.release_all());
  });
  ASSERT_TRUE(third.release_all());  // whether the reader waits already or not
  reads.join();
  writes.join();
  EXPECT_STREQ(check(table), "");
}

TEST(Deadlocks, OverATableAndARow) {
  LockTable table;
  auto older = table.begin("older").value(), younger = table.begin("younger").value();
  ASSERT_TRUE(older.lock({"t", 1}, X));
  ASSERT_TRUE(younger.lock("u", S));
  std::jthread thread([&] { EXPECT_TRUE(older.lock({"u", 5}, X, soon())); });
  EXPECT_EQ(younger.lock("t", S, soon()).error(), errno_code(EDEADLK));
  EXPECT_NE(younger.deadlock().text().find("holds u in S and waits for t in S"), std::string::npos)
      << younger.deadlock().text();
  EXPECT_NE(younger.deadlock().text().find("holds t in IX and waits for u in IX"),
            std::string::npos)
      << younger.deadlock().text();
  ASSERT_TRUE(younger.release_all());
  thread.join();
  EXPECT_STREQ(check(table), "");
}

TEST(Deadlocks, ADeadlineThatEndsOneHarmsNoOther) {
  LockTable table;
  auto older = table.begin("older").value(), younger = table.begin("younger").value();
  ASSERT_TRUE(older.lock({"t", 1}, X));
  ASSERT_TRUE(younger.lock({"t", 2}, X));
  std::jthread thread([&] { EXPECT_TRUE(younger.lock({"t", 1}, X, soon())); });
  await([&] {
    return older.lock({"t", 2}, X, now_or_not_at_all).error() == std::errc::timed_out &&
           table.begin("x").value().lock({"t", 1}, X, now_or_not_at_all).error() ==
               std::errc::timed_out;
  });
  ASSERT_TRUE(older.release_all());
  thread.join();
  EXPECT_EQ(younger.deadlock().length, 0u);
}

TEST(LockTable, KeepsItsLimitsAndRefusesBadArguments) {
  LockTable table({.sessions = 2, .locks = 4});
  auto a = table.begin("a").value();
  {
    auto b = table.begin("b").value();
    EXPECT_EQ(table.begin("c").error(), errno_code(EAGAIN));
  }
  EXPECT_TRUE(table.begin("c"));
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(a.lock({"t", i}, X));
  EXPECT_EQ(a.lock({"t", 3}, X).error(), errno_code(ENOLCK));
  EXPECT_EQ(a.lock({"u", 3}, X).error(), errno_code(ENOLCK));
  EXPECT_TRUE(a.unlock({"t", 0}));
  EXPECT_EQ(a.lock({"u", 3}, X).error(), errno_code(ENOLCK));  // its table has the only place
  EXPECT_EQ(a.held("u"), none);
  EXPECT_TRUE(a.lock({"t", 3}, X));
  EXPECT_STREQ(check(table), "");
  for (const std::string_view name : {"", "a\nb", "\x7f", "12345678901234567890123456789012"}) {
    EXPECT_EQ(table.begin(name).error(), errno_code(EINVAL));
    EXPECT_EQ(a.lock(Resource(name), X).error(), errno_code(EINVAL));
  }
  for (const LockMode mode : {IS, IX, SIX, none}) {
    EXPECT_EQ(a.lock({"t", 1}, mode).error(), errno_code(EINVAL));
  }
  EXPECT_EQ(a.lock("t", none).error(), errno_code(EINVAL));
  EXPECT_EQ(a.unlock({"t", 77}).error(), errno_code(EPERM));
  EXPECT_THROW(LockTable({.sessions = 0}), std::system_error);
  EXPECT_THROW(LockTable({.locks = 0}), std::system_error);
  EXPECT_THROW(LockTable({.sessions = 5000}), std::system_error);
}

TEST(LockTable, ASessionCanBeMoved) {
  LockTable table;
  auto a = table.begin("a").value();
  ASSERT_TRUE(a.lock("t", X));
  auto b = std::move(a);
  EXPECT_EQ(b.held("t"), X);
  b = table.begin("b").value();
  EXPECT_TRUE(b.lock("t", X, now_or_not_at_all)) << "the one before has let go";
}

}  // namespace
}  // namespace polyio::ipc
