#include "pool_watch.hpp"

#include <algorithm>
#include <polyio/os/signals.hpp>
#include <utility>

namespace polyio {

ThreadPoolExecutor::Watch::Watch(ThreadPoolExecutor& pool)
    : pool_(pool), policy_(sched::make_mlfq({pool.options_.quantum.count(), sched::unlimited})) {}

void ThreadPoolExecutor::Watch::start() {
  if (started_) return;
  thread_ = os::Thread([this] {
    os::name_thread("pool-watch");
    const os::SignalsBlocked blocked;  // they are for the program's own threads
    run();
  });
  started_ = true;
}

void ThreadPoolExecutor::Watch::join() noexcept {
  {
    const std::lock_guard lock(pool_.mutex_);
    ask();
  }
  thread_.join();
}

// It stays when no other thread would come to what is in line.
bool ThreadPoolExecutor::Watch::ends(Worker& worker) noexcept {
  worker.busy = false;
  --busy_;
  if (!worker.demoted || (pool_.crew_.serving() == 0 && pool_.line_.front())) return true;
  --demoted_;
  return false;
}

void ThreadPoolExecutor::Watch::run() {
  std::unique_lock lock(pool_.mutex_);
  while (!pool_.line_.closed() || pool_.line_.front()) {
    asleep_ = busy_ == 0;
    if (!std::exchange(asked_, false)) {
      if (asleep_) {
        changed_.wait(lock);
      } else {
        changed_.wait_for(lock, pool_.options_.quantum / 2);
      }
    }
    for (Worker* one = workers_.front(); one; one = workers_.next(*one)) {
      if (one->busy && !one->demoted) look_at(*one);
    }
    add_threads();
  }
}

// In the place of those that were demoted, too, before there is work for them: it would have to
// wait until they run. What fails is tried once more in half a quantum.
void ThreadPoolExecutor::Watch::add_threads() noexcept {
  const bool wanted = pool_.crew_.is_short() || demoted_ > 0;
  while (wanted && pool_.crew_.serving() < pool_.options_.threads) {
    const unsigned before = pool_.crew_.serving();
    if (!pool_.add_thread() || pool_.crew_.serving() == before) return;
  }
}

// What it used before it is first seen with a work is not counted. Where others want the processor
// too, the time counts in which it had a quarter of it or more: while it waits for the rest, so
// does the line.
void ThreadPoolExecutor::Watch::look_at(Worker& worker) noexcept {
  const Nanoseconds used = worker.thread.processor_time();
  const TimePoint now = monotonic_now();
  const Nanoseconds passed = now - std::exchange(worker.looked_at, now);
  const Nanoseconds span = std::min(passed, 4 * (used - std::exchange(worker.used_before, used)));
  if (std::exchange(worker.seen, worker.works) != worker.works) {
    policy_->add(worker, sched::Cause::created);
    (void)policy_->take();
    return;
  }
  policy_->ran(worker, std::min<sched::Span>(span.count(), policy_->quantum(worker)));
  if (policy_->quantum(worker) > 0 || demoted_ >= pool_.options_.extra_threads) return;
  policy_->add(worker, sched::Cause::expired);
  (void)policy_->take();
  worker.thread.demote();
  worker.demoted = true;
  ++demoted_;
  pool_.crew_.leave();
}

}  // namespace polyio
