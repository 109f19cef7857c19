// The pool's side that any thread calls: the line, and handing tasks to workers.
#include <algorithm>
#include <cstring>
#include <polyio/linux/process_id.hpp>
#include <system_error>
#include <thread>

#include "process_pool_core.hpp"

namespace polyio::detail {

namespace {

// As much work as is handed to a worker ahead.
constexpr Nanoseconds ahead = std::chrono::milliseconds(1);

}  // namespace

// --- the line, under the mutex ---

void ProcessPool::push_back(Call& call) noexcept {
  call.next = nullptr;
  (last_ ? last_->next : first_) = &call;
  last_ = &call;
  ++waiting_;
}

void ProcessPool::push_front(Call& call) noexcept {
  call.next = std::exchange(first_, &call);
  if (!last_) last_ = &call;
  ++waiting_;
}

RemoteCall* ProcessPool::pop() noexcept {
  Call* const call = first_;
  if (!call) return nullptr;
  first_ = std::exchange(call->next, nullptr);
  if (!first_) last_ = nullptr;
  --waiting_;
  if (Waiter* waiter = places_.pop_front()) waiter->end();
  return call;
}

// Takes out what was cancelled in line, and `which`. True: that was there.
bool ProcessPool::sweep(const FutureState* which) noexcept {
  Call* call = std::exchange(first_, nullptr);
  last_ = nullptr;
  waiting_ = 0;
  bool found = false;
  while (call) {
    Call* const next = call->next;
    if (&call->state() == which) {
      found = true;
    } else if (call->state().ended()) {
      call->state().release();
    } else {
      push_back(*call);
    }
    call = next;
  }
  return found;
}

// A sweep that made no room is not tried again at once, so that refusing costs 64 steps at most.
bool ProcessPool::full() noexcept {
  if (waiting_ < options_.queue) return false;
  if (unswept_ > 0) {
    --unswept_;
    return true;
  }
  sweep(nullptr);
  unswept_ = waiting_ < options_.queue ? 0 : waiting_ / 64;
  return waiting_ >= options_.queue;
}

// A submit's wait for a place in line. The task that ends the wait leaves its place to it.
class ProcessPool::Place : public Waiter {
 public:
  explicit Place(ProcessPool& pool) noexcept : Waiter(pool.mutex_), pool_(pool) {}
  Result<> value() noexcept { return {}; }

 protected:
  bool take() override { return pool_.ending_ || pool_.broken_ || !pool_.full(); }
  void queue() noexcept override { pool_.places_.push_back(*this); }

 private:
  ProcessPool& pool_;
};

void ProcessPool::end_places() noexcept {
  while (Waiter* waiter = places_.pop_front()) waiter->end();
}

Result<> ProcessPool::queue(Call& call, bool may_wait) {
  if (os::this_process().pid != process_)
    return fail(make_error_code(process::Errc::not_our_child));
  if (call.refusal) return fail(call.refusal);
  if (call.bytes.size() > options_.largest) return fail(EMSGSIZE);
  may_wait = may_wait && pool_of_this_thread != &thread_;
  std::unique_lock lock(mutex_);
  while (!ending_ && !broken_ && full()) {
    if (!may_wait) return fail(EAGAIN);
    lock.unlock();
    auto place = ThreadWait<Place>(*this)(never);
    if (!place) return fail(EAGAIN);  // on the thread of a loop
    lock.lock();
  }
  if (ending_) return fail(EPIPE);
  if (broken_) return fail(make_error_code(process::Errc::worker_died));
  call.state().pool = this;
  call.state().share();
  push_back(call);
  dispatch();
  return {};
}

// --- handing tasks to workers, under the mutex ---

void ProcessPool::dispatch() noexcept {
  while (first_) {
    Slot* const slot = free_slot(first_->how.timeout != Nanoseconds::max());
    if (!slot) return;
    Call* const call = pop();
    if (call->state().ended() || (!call->begun && !call->state().begin())) {
      call->state().release();
      continue;
    }
    call->begun = true;
    if (hand(*slot, *call)) continue;
    push_front(*call);  // its queue is full, of tasks or of what was taken back: a tick tries again
    return;
  }
}

// The one that has least to do.
ProcessPool::Slot* ProcessPool::free_slot(bool needs_alone) noexcept {
  Slot* best = nullptr;
  for (Slot& slot : slots_) {
    // It has gone on, for it took what was taken back from it.
    if (slot.stuck && slot.flights.empty() && slot.desk.tasks.size() == 0) slot.stuck = false;
    if (!may_have_more(slot) || (needs_alone && !slot.flights.empty())) continue;
    if (!best || slot.flights.size() < best->flights.size()) best = &slot;
    if (best->flights.empty()) break;
  }
  return best;
}

bool ProcessPool::may_have_more(Slot& slot) const noexcept {
  if (!slot.up || slot.stuck || slot.alone) return false;
  if (slot.flights.empty()) return true;
  return slot.flights.size() < static_cast<std::size_t>(ahead / usual_) &&
         slot.last_number + 1 - slot.flights.front().number < WorkerWords::places;
}

bool ProcessPool::hand(Slot& slot, Call& call) noexcept {
  const std::uint64_t number = ++slot.last_number;
  std::memcpy(call.bytes.data(), &number, sizeof number);
  slot.desk.words->offer(number).store(number);
  const bool handed = slot.desk.tasks.try_put(call.bytes).has_value();
  if (handed) {
    slot.flights.push_back({number, &call});
  } else {
    slot.desk.words->offer(number).store(0);
  }
  handed_ = true;
  const bool alone = handed && call.how.timeout != Nanoseconds::max();
  if (alone || tick_at_ == never) {
    const TimePoint now = monotonic_now();
    if (tick_at_ == never) tick_at_ = deadline_after(now, tick_every);
    slot.alone = alone;
    if (alone) slot.kill_at = deadline_after(now, call.how.timeout);
    if (std::min(tick_at_, slot.kill_at) < wakes_at_) {
      wakes_at_ = TimePoint::min();
      bell_.wakeup->signal();
    }
  }
  return handed;
}

bool ProcessPool::has_begun(Slot& slot, std::uint64_t number) noexcept {
  return slot.desk.words->offer(number).load() != number;
}

// What it has not begun goes back to the front of the line.
void ProcessPool::take_back(Slot& slot) noexcept {
  for (std::size_t i = slot.flights.size(); i-- > 0;) {
    const Flight flight = slot.flights[i];
    std::uint64_t offered = flight.number;
    if (!slot.desk.words->offer(offered).compare_exchange_strong(offered, 0)) continue;
    slot.flights.erase(slot.flights.begin() + static_cast<std::ptrdiff_t>(i));
    push_front(*flight.call);
  }
  if (slot.flights.empty()) set_alone(slot);
}

void ProcessPool::set_alone(Slot& slot) noexcept {
  slot.alone = false;
  slot.kill_at = never;
}

// Kills the worker if it is at work on that task, or has just ended it. It has begun no other then,
// and can't begin one.
bool ProcessPool::end_worker_for(Slot& slot, std::uint64_t number,
                                 std::error_code reason) noexcept {
  take_back(slot);
  if (!slot.up || slot.flights.empty() || slot.flights.back().number != number) return false;
  slot.ended_by = number;
  slot.reason = reason;
  slot.up = false;  // no further task for it
  slot.worker.kill();
  return true;
}

bool ProcessPool::kill(FutureState& state) {
  if (state.pool != this || os::this_process().pid != process_) return false;
  if (state.cancel()) return true;
  std::unique_lock lock(mutex_);
  bool killed = false;
  for (Slot& slot : slots_) {
    const auto flight = std::ranges::find_if(
        slot.flights, [&](const Flight& one) { return &one.call->state() == &state; });
    if (flight == slot.flights.end()) continue;
    killed = end_worker_for(slot, flight->number, errno_code(ECANCELED));
    break;
  }
  const bool in_line = !killed && sweep(&state);
  dispatch();
  lock.unlock();
  if (!in_line) return killed;
  const bool ended = state.settle(FutureState::running_phase, errno_code(ECANCELED));
  state.release();
  return ended;
}

std::vector<pid_t> ProcessPool::pids() const {
  const std::lock_guard lock(mutex_);
  std::vector<pid_t> pids;
  for (const Slot& slot : slots_) {
    if (slot.up) pids.push_back(slot.worker.process.pid());
  }
  return pids;
}

std::size_t ProcessPool::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (Call* call = first_; call; call = call->next) count += !call->state().ended();
  return count;
}

std::uint64_t ProcessPool::replaced() const {
  const std::lock_guard lock(mutex_);
  return replaced_;
}

}  // namespace polyio::detail

namespace polyio {

ProcessPoolExecutor::ProcessPoolExecutor(ProcessPoolOptions options)
    : pool_(std::make_unique<detail::ProcessPool>(options)) {}
ProcessPoolExecutor::~ProcessPoolExecutor() { shutdown(); }
Result<> ProcessPoolExecutor::queue(detail::RemoteCall& call, bool may_wait) {
  return pool_->queue(call, may_wait);
}
bool ProcessPoolExecutor::kill_call(detail::FutureState& state) { return pool_->kill(state); }
void ProcessPoolExecutor::shutdown(Shutdown how) { pool_->shutdown(how); }
std::vector<pid_t> ProcessPoolExecutor::pids() const { return pool_->pids(); }
std::size_t ProcessPoolExecutor::waiting() const { return pool_->waiting(); }
std::size_t ProcessPoolExecutor::capacity() const { return pool_->capacity(); }
std::uint64_t ProcessPoolExecutor::replaced() const { return pool_->replaced(); }

}  // namespace polyio
