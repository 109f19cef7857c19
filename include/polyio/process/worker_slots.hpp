// WorkerSlots: keeps a fixed number of workers of a WorkerSet running. A worker that ended unasked
// is replaced, after a pause that grows with each crash; on demand all are replaced without a gap,
// the new one first. For one thread.
#pragma once

#include <functional>
#include <polyio/process/back_off.hpp>
#include <polyio/process/worker_set.hpp>
#include <string_view>
#include <vector>

namespace polyio::process {

class WorkerSlots {
 public:
  // Starts a worker for that slot.
  using Start = std::function<Result<WorkerSet::Worker*>(std::size_t slot)>;
  using Log = std::function<void(std::string_view)>;
  // `retire_signal` asks a worker to end once it has been replaced, and `retire_within` is its time
  // for that, after which it is overdue (WorkerSet::kill_overdue()).
  WorkerSlots(WorkerSet& workers, std::size_t count, int retire_signal, Nanoseconds retire_within,
              Start start, Log log);

  std::size_t size() const noexcept { return slots_.size(); }
  // Starts a worker for each slot.
  void fill();
  // Every worker that fill() started has become ready, or could not.
  bool settled() const noexcept { return settled_ >= slots_.size(); }
  // `worker` is up. If it replaces another, that one is asked to end now.
  void ready(WorkerSet::Worker& worker);
  // `worker` has ended: its slot gets another one later.
  void ended(WorkerSet::Worker& worker);
  // Replaces all workers: each stays until the new one is ready.
  void replace_all();
  // When start_due() has something to do.
  Deadline next_deadline() const noexcept;
  // Starts the workers that are due.
  void start_due();

 private:
  struct Slot {
    std::uint64_t worker = 0;    // its id; 0: the slot is empty
    std::uint64_t follower = 0;  // takes over once it is ready
    BackOff back_off;
    Deadline replace_at = never;
  };
  std::uint64_t start(std::size_t index);
  void replace_later(Slot& slot, Nanoseconds lived);

  WorkerSet& workers_;
  const int retire_signal_;
  const Nanoseconds retire_within_;
  const Start start_;
  const Log log_;
  std::vector<Slot> slots_;
  std::size_t settled_ = 0;
};

}  // namespace polyio::process
