// LockTable: locks on tables and rows between sessions of many processes, as a database has them:
// five modes (LockMode), fair queues, deadlines, upgrades. A session whose process has died loses
// all its locks. A deadlock is found the moment it arises: its cycle is named, the youngest session
// in it gets EDEADLK and must give way, and the others go on. The locks are advisory: they protect
// what all sessions agree to lock first. Everything lies in one piece of shared memory, under one
// robust mutex.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <polyio/locks/lock_mode.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::ipc {

// How many sessions and locks there may be at a time. A row takes two locks: its own, and once per
// session its table's.
struct LockTableLimits {
  static constexpr std::uint32_t max_sessions = 1024, max_locks = 1u << 20;
  std::uint32_t sessions = 64;
  std::uint32_t locks = 4096;
};

// One session of a deadlock: what it holds that the one before it waits for, and what it waits for.
struct DeadlockLink {
  std::array<char, Resource::longest_name + 1> name{};
  std::int32_t pid = 0;
  std::uint32_t thread = 0;   // gettid(2) of the thread that began it
  std::uint64_t session = 0;  // numbered as they begin: younger is greater
  Resource holds, waits_for;
  LockMode holds_mode = LockMode::none;
  LockMode waits_mode = LockMode::none;

  std::string_view owner() const noexcept {
    return {name.data(), ::strnlen(name.data(), Resource::longest_name)};
  }
};

// Each link waits for the next, the last one for the first. A longer cycle is cut after `longest`.
struct Deadlock {
  static constexpr std::uint32_t longest = 16;
  std::vector<DeadlockLink> cycle;
  std::uint32_t length = 0;  // of the whole cycle
  std::uint64_t victim = 0;  // DeadlockLink::session of the one to give way
  std::string text() const;  // all of it, in one line
};

class LockTable {
  struct State;

 public:
  // One owner of locks, a transaction. For one thread at a time, in the process that began it; give
  // each thread a session of its own. The destructor lets go of everything.
  class Session {
   public:
    Session(Session&& other) noexcept = default;
    Session& operator=(Session&& other) noexcept;
    ~Session();

    // Returns once it has `mode` on `what`, or something stronger. A row is locked in S or X, which
    // brings IS or IX on its table. First come, first served, with two exceptions: asking again for
    // more is an upgrade, which goes before newcomers, and a request goes before those of sessions
    // that wait for it, directly or over others. With a deadline that has passed it never waits.
    // Errors: timed_out; EDEADLK, this session is the youngest of a cycle (see deadlock()) that no
    // order of granting avoids, and every call answers so until it has let go of everything;
    // EINVAL, no such name or mode; ENOLCK, the table is full; EPERM, the session belongs to
    // another process; ENOTRECOVERABLE, the memory is damaged. An error takes away nothing that it
    // held before the call.
    Result<> lock(const Resource& what, LockMode mode, Deadline deadline = never);
    // Lets go of it. A table keeps the intention that its locked rows need; a table locked only for
    // its rows goes with the last of them. Errors: EPERM, the session does not hold it.
    Result<> unlock(const Resource& what);
    // Lets go of everything. The session keeps its age: one that gives way and tries again gets
    // older.
    Result<> release_all();
    // What the session holds on `what`.
    Result<LockMode> held(const Resource& what) const;
    // The last cycle in which this session had to give way; empty: there was none.
    const Deadlock& deadlock() const noexcept { return deadlock_; }

   private:
    friend class LockTable;
    Session(std::shared_ptr<State> state, std::uint32_t slot, std::uint64_t begun) noexcept
        : state_(std::move(state)), slot_(slot), begun_(begun) {}

    std::shared_ptr<State> state_;
    std::uint32_t slot_;
    std::uint64_t begun_;
    Deadlock deadlock_;
  };

  // Anonymous: shared with the processes forked from now on. Throws std::system_error: EINVAL,
  // limits of 0 or beyond the maximum; ENOMEM.
  explicit LockTable(LockTableLimits limits = {});
  // The table of this name, shared by all processes of the user; made if no process has it. All
  // must give the same limits. It goes with the last process that has it. Throws std::system_error,
  // as SharedMemory does.
  explicit LockTable(std::string_view name, LockTableLimits limits = {});

  // Errors: EINVAL, the name is empty, longer than Resource::longest_name or contains control
  // characters; EAGAIN, there is no room for another session.
  Result<Session> begin(std::string_view name);

 private:
  friend struct LockTableMemory;  // for the tests
  void* memory() const noexcept;
  std::shared_ptr<State> state_;
};

}  // namespace polyio::ipc
