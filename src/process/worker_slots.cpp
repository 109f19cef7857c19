#include <fmt/format.h>

#include <algorithm>
#include <polyio/process/worker_slots.hpp>

namespace polyio::process {

WorkerSlots::WorkerSlots(WorkerSet& workers, std::size_t count, int retire_signal,
                         Nanoseconds retire_within, Start start, Log log)
    : workers_(workers),
      retire_signal_(retire_signal),
      retire_within_(retire_within),
      start_(std::move(start)),
      log_(std::move(log)),
      slots_(count) {}

void WorkerSlots::fill() {
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].worker = start(i);
}

// The new worker's id; 0: none can be had now, and it is tried again later.
std::uint64_t WorkerSlots::start(std::size_t index) {
  slots_[index].replace_at = never;
  const auto worker = start_(index);
  if (worker) return (*worker)->id;
  log_(fmt::format("a worker process can't be started: {}", worker.error().message()));
  ++settled_;
  replace_later(slots_[index], Nanoseconds::zero());
  return 0;
}

void WorkerSlots::replace_later(Slot& slot, Nanoseconds lived) {
  const Nanoseconds delay = slot.back_off.after_crash(lived);
  slot.replace_at = monotonic_now() + delay;
  log_(
      fmt::format("the worker process is replaced in {} ms", delay / std::chrono::milliseconds(1)));
}

void WorkerSlots::ready(WorkerSet::Worker& worker) {
  ++settled_;
  for (Slot& slot : slots_) {
    if (slot.follower != worker.id) continue;
    slot.follower = 0;
    if (auto* const before = workers_.find(slot.worker)) {
      workers_.ask_to_end(*before, retire_signal_, deadline_after(monotonic_now(), retire_within_));
    }
    slot.worker = worker.id;
    slot.replace_at = never;
  }
}

void WorkerSlots::ended(WorkerSet::Worker& worker) {
  ++settled_;
  const Nanoseconds lived = monotonic_now() - worker.born;
  for (Slot& slot : slots_) {
    if (slot.follower == worker.id) {
      slot.follower = 0;
      log_("a new worker process ended before it was ready; the old one stays");
      if (!workers_.find(slot.worker)) replace_later(slot, lived);
    } else if (slot.worker == worker.id) {
      slot.worker = 0;
      if (slot.follower == 0) replace_later(slot, lived);
    }
  }
}

void WorkerSlots::replace_all() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.follower != 0) continue;  // being replaced already
    (slot.worker == 0 ? slot.worker : slot.follower) = start(i);
  }
}

Deadline WorkerSlots::next_deadline() const noexcept {
  Deadline next = never;
  for (const Slot& slot : slots_) next = std::min(next, slot.replace_at);
  return next;
}

void WorkerSlots::start_due() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.replace_at > monotonic_now()) continue;
    (workers_.find(slot.worker) ? slot.follower : slot.worker) = start(i);
  }
}

}  // namespace polyio::process
