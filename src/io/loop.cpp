#include "loop.hpp"

namespace polyio {

void Loop::run(Job& main) {
  run_turns(main, [this] { run_ready(); }, [this] { return io_.ready().empty(); });
}

Result<> Loop::launch(Job& job) {
  io_.ready().push(job);
  return {};
}

void Loop::wake() noexcept {
  if (!sleeping_.exchange(false)) return;
  waking_.fetch_add(1);
  driver_.load()->wake();
  waking_.fetch_sub(1);
}

void Loop::wait(bool idle) {
  Deadline until = idle ? io_.next_timer() : TimePoint::min();
  if (spin_ > Nanoseconds::zero() && spin(until)) return;
  const TimePoint before = io_.turn_began();
  sleeping_.store(true);
  if (io_.handed_in()) until = TimePoint::min();
  advance(1);
  driver().poll(until);
  advance(1);
  sleeping_.store(false, std::memory_order_relaxed);
  const TimePoint now = driver().now();
  io_.begin_turn(now);
  // Twice, because what is answered sooner comes back sooner.
  if (until != TimePoint::min() && now - before <= spin_ * 2) spin_pays_ = true;
}

// True: something happened or `until` has passed. False: a longer spin would be wasted, so sleep.
bool Loop::spin(Deadline until) {
  if (!spin_pays_) return false;
  const TimePoint end = monotonic_now() + spin_;
  while (monotonic_now() < end) {
    driver().poll(TimePoint::min());
    const TimePoint now = driver().now();
    io_.begin_turn(now);
    if (!io_.ready().empty() || io_.handed_in() || now >= until) return true;
  }
  spin_pays_ = false;
  return false;
}

// Of thousands of ready jobs none is in a cache: the next one's coroutine and the job after it are
// fetched while the first runs.
void Loop::prefetch(const ReadyQueue::Batch& batch) noexcept {
  const Job* const next = batch.front();
  if (!next) return;
  const auto* const frame = static_cast<const char*>(next->resume.address());
  __builtin_prefetch(frame);
  __builtin_prefetch(frame + 64);
  next->scope->prefetch_reason();
  const Job* const after = batch.next(*next);
  if (!after) return;
  __builtin_prefetch(after);
  __builtin_prefetch(reinterpret_cast<const char*>(after) + 64);
  __builtin_prefetch(reinterpret_cast<const char*>(after) + 128);
}

void Loop::run_ready() {
  ReadyQueue::Batch batch;
  io_.ready().take_batch(batch);
  while (Job* job = batch.pop_front()) {
    prefetch(batch);
    if (begins(*job)) (void)io_.run_job(*job);
  }
}

}  // namespace polyio
