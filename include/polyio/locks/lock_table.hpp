// LockTable: locks on tables and rows between sessions of many processes, as a database has them:
// five modes (LockMode), fair queues, deadlines, upgrades. A session whose process has died lets go
// of everything. A deadlock is found when it comes about: its cycle is named, the youngest session
// in it is told to give way, and the others go on. The locks are advisory: they protect what all
// agree to lock first. Everything lies in one piece of shared memory, with one robust mutex.
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

// How many sessions and locks (a row takes two: its own, and its table's once per session) there
// may be at a time.
struct LockTableLimits {
  static constexpr std::uint32_t max_sessions = 1024, max_locks = 1u << 20;
  std::uint32_t sessions = 64;
  std::uint32_t locks = 4096;
};

// One session of a deadlock: what it has that the one before waits for, and what it waits for.
struct DeadlockLink {
  std::array<char, Resource::longest_name + 1> name{};
  std::int32_t pid = 0;
  std::uint32_t thread = 0;   // gettid(2) of who began the session
  std::uint64_t session = 0;  // which session it is: a younger one has a greater number
  Resource holds, waits_for;
  LockMode holds_mode = LockMode::none;
  LockMode waits_mode = LockMode::none;
  std::uint32_t queued = 0;  // 1: it does not hold that yet, but asked for it first

  std::string_view owner() const noexcept {
    return {name.data(), ::strnlen(name.data(), Resource::longest_name)};
  }
};

// Each link waits for the next, the last one for the first. Of a longer cycle the first `longest`.
struct Deadlock {
  static constexpr std::uint32_t longest = 16;
  std::vector<DeadlockLink> cycle;
  std::uint32_t length = 0;  // of the whole cycle
  std::uint64_t victim = 0;  // DeadlockLink::session of the one that was told to give way
  std::string text() const;  // one line, with all of it
};

class LockTable {
  struct State;

 public:
  // One owner of locks, a transaction. For one thread at a time, in the process that began it;
  // another thread wants a session of its own. Lets go of everything at the end of its life.
  class Session {
   public:
    Session(Session&& other) noexcept = default;
    Session& operator=(Session&& other) noexcept;
    ~Session();

    // Returns once it has `mode` on `what`, or something stronger. A row may be had in S and X, and
    // brings IS or IX on its table. Asking again for more is an upgrade, which goes before others
    // that wait. A deadline that has passed: now or not at all. Errors: timed_out; EDEADLK, this
    // session is the youngest of a cycle (deadlock() says of which) and is told so again until it
    // has let go of everything; EINVAL, no such name or mode; ENOLCK, the table is full; EPERM, the
    // session belongs to another process; ENOTRECOVERABLE, somebody wrote nonsense into the memory.
    // What it had before the call it has after an error too.
    Result<> lock(const Resource& what, LockMode mode, Deadline deadline = never);
    // Lets go of it. A table on which rows are locked still keeps the intention for them; a table
    // that was locked only for its rows goes with the last. Errors: EPERM, it does not have that.
    Result<> unlock(const Resource& what);
    // Lets go of everything. The session keeps its age: who gives way and tries again gets older.
    Result<> release_all();
    // What it has on `what`.
    Result<LockMode> held(const Resource& what) const;
    // The last cycle in which it was the one to give way; empty: there was none.
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
  // limits of 0 or beyond the greatest; ENOMEM.
  explicit LockTable(LockTableLimits limits = {});
  // That of this name, of all processes of the user, which is made if nobody has it: with the same
  // limits by all. It goes with the last process that has it. Throws std::system_error, as
  // SharedMemory does.
  explicit LockTable(std::string_view name, LockTableLimits limits = {});

  // Errors: EINVAL, the name is empty, longer than Resource::longest_name or has control characters
  // in it; EAGAIN, there are as many sessions as there may be.
  Result<Session> begin(std::string_view name);
  // Looks through all of it: which rule is broken, empty when it is whole. For tests, and for who
  // suspects that something writes where it should not.
  std::string check() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace polyio::ipc
