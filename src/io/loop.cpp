#include "loop.hpp"

namespace polyio {

void Loop::run(Job& main) {
  io_.enter_thread(nullptr);
  io_.begin_main(main);
  advance(1);
  io_.ready().push(main);
  run_ready();  // main begins before what was posted to this Io already, which may count on it
  while (!io_.main_done()) {
    io_.service_waits(io_.turn_began());
    io_.service_works();
    run_ready();
    if (io_.main_done()) break;
    wait();
  }
  io_.end_run();
  advance(1);
}

Result<> Loop::launch(Job& job) {
  io_.ready().push(job);
  return {};
}

void Loop::wake() noexcept {
  if (sleeping_.exchange(false)) driver_.wake();
}

void Loop::wait() {
  Deadline until = io_.ready().empty() ? io_.next_timer() : TimePoint::min();
  if (spin_ > Nanoseconds::zero() && spin(until)) return;
  const TimePoint before = io_.turn_began();
  sleeping_.store(true);
  if (io_.handed_in()) until = TimePoint::min();
  advance(1);
  driver_.poll(until);
  advance(1);
  sleeping_.store(false, std::memory_order_relaxed);
  const TimePoint now = driver_.now();
  io_.begin_turn(now);
  // Twice, because what is answered sooner comes back sooner.
  if (until != TimePoint::min() && now - before <= spin_ * 2) spin_pays_ = true;
}

// True: something happened or `until` has passed. False: a longer spin would be wasted, so sleep.
bool Loop::spin(Deadline until) {
  if (!spin_pays_) return false;
  const TimePoint end = monotonic_now() + spin_;
  while (monotonic_now() < end) {
    driver_.poll(TimePoint::min());
    const TimePoint now = driver_.now();
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
    if (job->state == OpState::retry && !driver_.retry(*job)) {
      job->state = OpState::pending;
      if (job->cancel_requested) driver_.cancel(*job);
      continue;
    }
    job->state = OpState::done;
    advance(2);
    (void)io_.run_job(*job);
  }
}

}  // namespace polyio
