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

Result<> ProcessPool::queue(Call& call, bool may_wait) {
  if (os::this_process().pid != process_)
    return fail(make_error_code(process::Errc::not_our_child));
  if (call.refusal) return fail(call.refusal);
  if (call.bytes.size() > options_.largest) return fail(EMSGSIZE);
  may_wait = may_wait && pool_of_this_thread != &thread_;
  std::unique_lock lock(mutex_);
  if (auto place = line_.take_place(lock, may_wait); !place) {
    if (broken_ && !ending_) return fail(make_error_code(process::Errc::worker_died));
    return place;
  }
  call.state().pool = this;
  call.state().share();
  line_.push_back(call);
  dispatch();
  return {};
}

// --- handing tasks to workers, under the mutex ---

void ProcessPool::dispatch() noexcept {
  while (Call* const call = line_.front()) {
    Slot* const slot = free_slot(call->how.timeout != Nanoseconds::max());
    if (!slot) return tick_if_one_is_stopped();
    (void)line_.pop();
    if (call->state().ended() || (!call->begun && !call->state().begin())) {
      call->state().release();
      continue;
    }
    call->begun = true;
    if (hand(*slot, *call)) continue;
    line_.push_front(
        *call);  // its queue is full, of tasks or of what was taken back: a tick tries again
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
  go_on_ticking();
  if (handed && call.how.timeout != Nanoseconds::max()) {
    slot.alone = true;
    slot.kill_at = deadline_after(monotonic_now(), call.how.timeout);
    wake_by(slot.kill_at);
  }
  return handed;
}

// A worker that was stopped may go on at any time, and the line waits for it alone.
void ProcessPool::tick_if_one_is_stopped() noexcept {
  const auto waited_for = [](const Slot& slot) { return slot.stuck && slot.flights.empty(); };
  if (std::ranges::any_of(slots_, waited_for)) go_on_ticking();
}

void ProcessPool::go_on_ticking() noexcept {
  if (tick_at_ != never) return;
  tick_at_ = deadline_after(monotonic_now(), tick_every);
  wake_by(tick_at_);
}

void ProcessPool::wake_by(Deadline at) noexcept {
  if (at >= wakes_at_) return;
  wakes_at_ = TimePoint::min();
  bell_.wakeup->signal();
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
    line_.push_front(*flight.call);
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
  const bool in_line = !killed && line_.sweep(&state);
  dispatch();
  lock.unlock();
  if (!in_line) return killed;
  const bool ended = state.settle(FutureState::Phase::running, errno_code(ECANCELED));
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
  return line_.pending();
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
