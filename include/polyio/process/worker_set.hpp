// WorkerSet: the child processes that work for this one: each held by its pidfd, watched in the
// owner's Selector, with a channel to talk over where it needs one; it is asked to end by signals,
// killed when it does not, and reaped. The set makes no thread, so that its owner may fork at any
// time (the rule of os/process.hpp), and misses no end: a pidfd stays readable until the child is
// reaped. For one thread.
#pragma once

#include <functional>
#include <list>
#include <polyio/linux/process.hpp>
#include <polyio/selectors/selector.hpp>

namespace polyio::process {

class WorkerSet {
 public:
  struct Worker {
    std::uint64_t id = 0;  // never used again
    os::ChildProcess process;
    os::UniqueFd channel;  // ours, where it has one
    TimePoint born{};
    bool asked_to_end = false;
    Deadline kill_at = never;  // it is overdue then
  };
  // Called by handle().
  class Owner {
   public:
    // A byte came over the channel of `worker`.
    virtual void on_message(Worker& worker, char message) = 0;
    // `worker` has ended and been reaped; it is forgotten afterwards. `crashed`: unasked by a
    // signal, or with an error.
    virtual void on_end(Worker& worker, const os::ExitStatus& status, bool crashed) = 0;

   protected:
    ~Owner() = default;
  };
  // Everything it registers in `selector` has data from `first_data` on.
  WorkerSet(Selector& selector, std::uint64_t first_data, Owner& owner) noexcept
      : selector_(selector), owner_(owner), next_id_(first_data / 2 + 1) {}
  // Kills those that are left.
  ~WorkerSet() { kill_all(); }
  WorkerSet(const WorkerSet&) = delete;
  WorkerSet& operator=(const WorkerSet&) = delete;

  // Forks a worker that runs `body(its end of the channel)` (os::fork_child), with what this set
  // holds closed. Valid until on_end(). Errors: those of os::fork_child; EMFILE, ENOMEM, it can't
  // be watched.
  using Body = std::function<int(os::UniqueFd channel)>;
  Result<Worker*> fork(const Body& body, bool with_channel);
  // Takes over a child that was started in another way. Errors: it can't be watched; it is killed
  // then.
  Result<Worker*> add(os::ChildProcess process, os::UniqueFd channel);

  // Takes what select() gave. False: it is none of this set's, or of a worker reaped meanwhile.
  bool handle(const SelectorEvent& event);
  // When kill_overdue() has something to do.
  Deadline next_deadline() const noexcept { return kill_at_; }
  // Kills those that are overdue, and answers how many.
  std::size_t kill_overdue() noexcept;

  // Asks for its end by a signal; at `deadline`, or an earlier one that it had, it is overdue.
  void ask_to_end(Worker& worker, int signal, Deadline deadline) noexcept;
  // The same of all.
  void ask_all_to_end(int signal, Deadline deadline) noexcept;
  // Kills and reaps all; nothing is called for them.
  void kill_all() noexcept;

  // nullptr: it has ended.
  Worker* find(std::uint64_t id) noexcept;
  std::size_t size() const noexcept { return workers_.size(); }
  bool empty() const noexcept { return workers_.empty(); }

 private:
  Result<Worker*> admit(std::list<Worker> made, os::ChildProcess process, os::UniqueFd channel);
  std::error_code watch(const Worker& worker);
  void reap(Worker& worker);

  Selector& selector_;
  Owner& owner_;
  std::list<Worker> workers_;
  std::uint64_t next_id_;
  Deadline kill_at_ = never;  // the earliest of theirs
};

}  // namespace polyio::process
