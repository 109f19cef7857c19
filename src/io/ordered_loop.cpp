#include "ordered_loop.hpp"

#include <new>
#include <utility>

namespace polyio {
namespace {

// How a job that has had its turn will come back.
Turn::Back back_of(const Job& job) noexcept {
  if (job.kind == OpKind::yield) return Turn::Back::yielded;
  return job.state == OpState::pending ? Turn::Back::waited : Turn::Back::goes_on;
}

}  // namespace

void OrderedLoop::run(Job& main) {
  main.turn = &main_.emplace(&main);
  run_turns(
      main, [this] { run_ready(); }, [this] { return io_.ready().empty() && order_.empty(); });
}

Result<> OrderedLoop::launch(Job& job) {
  job.turn = new (std::nothrow) Turn(&job);
  if (!job.turn) return fail(ENOMEM);
  return Loop::launch(job);
}

void OrderedLoop::take_in(TimePoint now) noexcept {
  ReadyQueue::Batch arrivals;
  io_.ready().take_batch(arrivals);
  while (Job* const job = arrivals.pop_front()) {
    order_.add(*job->turn, now);
  }
}

void OrderedLoop::run_ready() {
  TimePoint now = io_.turn_began();
  const TimePoint look = now + look_interval;
  take_in(now);
  while (now < look) {
    Turn* const turn = order_.take(now);
    if (!turn) break;
    Job& job = *turn->job;
    if (!begins(job)) continue;
    io_.begin_turn(now, order_.span(*turn));
    const bool ended = io_.run_job(job);
    const TimePoint before = std::exchange(now, driver().now());
    order_.ran(*turn, now - before);
    if (!ended) {
      turn->back = back_of(job);
    } else if (turn != &*main_) {
      delete turn;
    }
  }
}

}  // namespace polyio
