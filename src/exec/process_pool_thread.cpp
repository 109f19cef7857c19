// The pool's own thread, and its start and end.
#include <algorithm>
#include <cstring>
#include <polyio/linux/process_id.hpp>
#include <system_error>
#include <thread>

#include "process_pool_core.hpp"

namespace polyio::detail {

namespace {

constexpr unsigned most_workers = 128;
constexpr std::uint64_t bell_data = 0, zygote_data = 1, first_worker = 2;

ProcessPoolOptions checked(ProcessPoolOptions options) {
  if (!options.workers) options.workers = std::max(1u, std::thread::hardware_concurrency());
  if (options.workers > most_workers || options.largest < 1024) {
    throw std::system_error(errno_code(EINVAL),
                            "polyio: a process pool has 1 to 128 workers, and tasks of 1,024 bytes "
                            "or more");
  }
  return options;
}

std::vector<WorkerDesk> make_desks(const ProcessPoolOptions& options) {
  const ipc::QueueOptions queue{.bytes = 4 * options.largest, .largest = options.largest};
  std::vector<WorkerDesk> desks;
  desks.reserve(options.workers);
  for (unsigned i = 0; i < options.workers; ++i) desks.emplace_back(queue);
  return desks;
}

}  // namespace

ProcessPool::ProcessPool(ProcessPoolOptions options)
    : options_(checked(options)),
      process_(os::this_process().pid),
      bell_(std::make_shared<os::Wakeup>()),
      desks_(make_desks(options_)),
      line_(mutex_, options_.queue) {
  for (WorkerDesk& desk : desks_) slots_.emplace_back(desk);
  auto zygote = process::Zygote::start(options_.method, run_pool_zygote, bell_, desks_);
  if (!zygote) throw std::system_error(zygote.error(), "polyio: a process pool's zygote");
  zygote_ = std::move(*zygote);
  selector_ = default_selector();  // not shared with the zygote
  start_workers();
  thread_.start("process-pool", [this] { manage(); });
}

ProcessPool::~ProcessPool() { zygote_.end(); }

void ProcessPool::start_workers() {
  const auto explain = [](std::error_code error) {
    return std::system_error(error, "polyio: a process pool's workers");
  };
  const auto watch = [&](int fd, std::uint64_t data) {
    if (auto key = selector_->register_fd(fd, event_read, data); !key) throw explain(key.error());
  };
  watch(bell_.wakeup->fd(), bell_data);
  watch(zygote_.fileno(), zygote_data);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (auto asked = zygote_.ask(i); !asked) throw explain(asked.error());
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto worker = zygote_.receive();
    if (!worker) throw explain(worker.error());
    if (worker->error != 0) throw explain(errno_code(worker->error));
    if (auto admitted = admit(std::move(*worker)); !admitted) throw explain(admitted.error());
  }
}

Result<> ProcessPool::admit(process::Zygote::Worker worker) {
  Slot& slot = slots_.at(worker.place);
  auto key = selector_->register_fd(worker.process.fd(), event_read, first_worker + worker.place);
  if (!key) {
    worker.kill();
    return fail(key.error());
  }
  const std::lock_guard lock(mutex_);
  slot.worker = std::move(worker);
  slot.up = true;
  return {};
}

void ProcessPool::shutdown(ProcessPoolExecutor::Shutdown how) {
  POLYIO_RULE(pool_of_this_thread != &thread_, "a pool is not shut down by its callbacks");
  POLYIO_RULE(os::this_process().pid == process_,
              "a pool is shut down by the process that made it");
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    line_.close();
  }
  while (how.cancel_pending) {
    std::unique_lock lock(mutex_);
    Call* const call = line_.pop();
    if (!call) break;
    lock.unlock();
    end_with_error(*call, errno_code(ECANCELED));
  }
  bell_.wakeup->signal();
  if (!how.wait) return;
  const std::lock_guard lock(joining_);
  thread_.join_all();
}

// --- the thread ---

void ProcessPool::manage() {
  pool_of_this_thread = &thread_;
  for (;;) {
    for (Slot& slot : slots_) collect(slot);
    {
      const std::lock_guard lock(mutex_);
      if (is_done()) break;
      look_at_times(monotonic_now());
    }
    sleep();
  }
  zygote_.end();
  const std::lock_guard lock(mutex_);
  for (Slot& slot : slots_) slot.up = false;
}

bool ProcessPool::is_done() const noexcept {
  return ending_ && !line_.front() &&
         std::ranges::all_of(slots_, [](const Slot& slot) { return slot.flights.empty(); });
}

void ProcessPool::sleep() {
  Deadline until = never;
  {
    const std::lock_guard lock(mutex_);
    until = wakes_at_ = next_deadline();
  }
  listen(1);
  // Store-load fence (Dekker): see Worker::ring().
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const Timeout timeout = any_result() ? no_wait : timeout_until(until, monotonic_now());
  std::array<SelectorEvent, 32> events;
  auto count = selector_->select(events, timeout);
  listen(0);
  {
    const std::lock_guard lock(mutex_);
    wakes_at_ = TimePoint::min();
  }
  if (!count) return;
  for (const SelectorEvent& event : std::span(events).first(*count)) on_event(event.key.data);
}

void ProcessPool::on_event(std::uint64_t data) {
  if (data == bell_data) return bell_.wakeup->drain();
  if (data == zygote_data) return on_answer();
  on_death(slots_[data - first_worker]);
}

void ProcessPool::listen(std::uint32_t value) noexcept {
  for (const Slot& slot : slots_) {
    slot.desk.words->listening.store(value, std::memory_order_relaxed);
  }
}

bool ProcessPool::any_result() noexcept {
  return std::ranges::any_of(slots_, [](Slot& slot) { return slot.desk.results.size() > 0; });
}

// Some of its results, so that the others' come in too.
void ProcessPool::collect(Slot& slot) noexcept {
  for (std::size_t i = 0; i < WorkerWords::places && slot.desk.results.size() > 0; ++i) {
    auto took = slot.desk.results.core().take(
        [&](std::span<const std::byte> first, std::span<const std::byte> second) {
          if (second.empty()) return settle(slot, first);
          scratch_.assign(first.begin(), first.end());
          scratch_.insert(scratch_.end(), second.begin(), second.end());
          settle(slot, scratch_);
        },
        Deadline::min());
    if (!took) return;
  }
}

void ProcessPool::settle(Slot& slot, std::span<const std::byte> bytes) noexcept {
  ResultHead head;
  if (bytes.size() < sizeof head) return;
  std::memcpy(&head, bytes.data(), sizeof head);
  Call* call = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto flight = std::ranges::find(slot.flights, head.number, &Flight::number);
    if (flight == slot.flights.end()) return;
    call = flight->call;
    slot.flights.erase(flight);
    slot.stuck = false;
    set_alone(slot);
    const Nanoseconds ran_for(std::clamp<std::int64_t>(head.ran_for, 0, 10'000'000'000));
    usual_ = std::max(usual_ + (ran_for - usual_) / 8, Nanoseconds(1));
    dispatch();
  }
  serial::Reader reader(bytes.subspan(sizeof head));
  end_with(*call, head, reader);
  call->state().release();
}

void ProcessPool::end_with(Call& call, const ResultHead& head, serial::Reader& reader) noexcept {
  if (!call.state().claim()) return;
  try {
    if (head.kind == ResultHead::Kind::value) return call.end_with_value(reader);
    if (head.kind == ResultHead::Kind::error) {
      const std::error_code error = read_error(reader);
      (void)call.state().settle(FutureState::Phase::claimed, error);
      return;
    }
    std::string what;
    reader(what);
    throw RemoteException(what);
  } catch (...) {
    call.end_with_exception(std::current_exception());
  }
}

void ProcessPool::end_with_error(Call& call, std::error_code error) noexcept {
  if (call.state().claim()) (void)call.state().settle(FutureState::Phase::claimed, error);
  call.state().release();
}

// --- what comes with time, under the mutex ---

Deadline ProcessPool::next_deadline() const noexcept {
  Deadline next = tick_at_;
  for (const Slot& slot : slots_) next = std::min({next, slot.kill_at, slot.start_at});
  return next;
}

void ProcessPool::look_at_times(TimePoint now) noexcept {
  if (tick_at_ <= now) tick(now);
  for (Slot& slot : slots_) {
    if (slot.kill_at <= now) {
      slot.kill_at = never;
      (void)end_worker_for(slot, slot.flights.front().number, errno_code(ETIMEDOUT));
    }
    if (slot.start_at <= now) ask(slot);
  }
  dispatch();
}

// There are ticks while there is something to see: a task that is not begun, or is not over since
// the last tick, keeps none of those behind it waiting.
void ProcessPool::tick(TimePoint now) noexcept {
  bool again = std::exchange(handed_, false);
  for (Slot& slot : slots_) {
    const std::uint64_t front = slot.flights.empty() ? 0 : slot.flights.front().number;
    if (front != 0 && front == slot.seen) {
      slot.stuck = true;
      take_back(slot);
    }
    slot.seen = front;
    again = again || slot.flights.size() > 1 || (front != 0 && !has_begun(slot, front));
  }
  tick_at_ = again ? deadline_after(now, tick_every) : never;
}

// --- deaths and births ---

void ProcessPool::ask(Slot& slot) noexcept {
  slot.start_at = never;
  slot.desk.words->ready.store(0);
  try {
    // When the zygote is dead its end comes as an event.
    (void)zygote_.ask(static_cast<std::uint32_t>(&slot.desk - desks_.data()));
  } catch (const std::bad_alloc&) {
    start_later(slot);
  }
}

void ProcessPool::start_later(Slot& slot) noexcept {
  slot.start_at = deadline_after(monotonic_now(), slot.back_off.after_crash({}));
}

void ProcessPool::on_answer() {
  auto worker = zygote_.receive();
  if (!worker) return break_down();
  Slot& slot = slots_.at(worker->place);
  if (worker->error == 0 && admit(std::move(*worker))) {
    const std::lock_guard lock(mutex_);
    ++replaced_;
    dispatch();
  } else {
    const std::lock_guard lock(mutex_);
    start_later(slot);
  }
}

void ProcessPool::on_death(Slot& slot) {
  (void)selector_->unregister(slot.worker.process.fd());
  while (slot.desk.results.size() > 0) collect(slot);
  std::vector<std::pair<Call*, std::error_code>> failed;
  {
    const std::lock_guard lock(mutex_);
    slot.up = false;
    take_back(slot);
    for (const Flight& flight : slot.flights) {  // it had begun that one
      const bool killed = flight.number == slot.ended_by;
      if (!killed && flight.call->retries_left > 0) {
        --flight.call->retries_left;
        line_.push_front(*flight.call);
      } else {
        failed.emplace_back(flight.call,
                            killed ? slot.reason : make_error_code(process::Errc::worker_died));
      }
    }
    slot.flights.clear();
    slot.stuck = false;
    slot.ended_by = 0;
    set_alone(slot);
    slot.worker = {};
    // One that can't even begin is not tried all the time.
    if (slot.desk.words->ready.load() != 0) {
      slot.back_off = {};
      ask(slot);
    } else if (!broken_) {
      start_later(slot);
    }
    dispatch();
  }
  for (const auto& [call, error] : failed) end_with_error(*call, error);
  if (broken_) break_down();
}

// The zygote has died, and with it the workers: their ends come as events.
void ProcessPool::break_down() noexcept {
  (void)selector_->unregister(zygote_.fileno());
  for (;;) {
    std::unique_lock lock(mutex_);
    broken_ = true;
    line_.close();
    Call* const call = line_.pop();
    if (!call) return;
    lock.unlock();
    end_with_error(*call, make_error_code(process::Errc::worker_died));
  }
}

}  // namespace polyio::detail
