#include "supervisor.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>
#include <polyio/os/socket.hpp>
#include <thread>

namespace polyio {
namespace {

using namespace std::chrono_literals;

// A worker that does not end when it is asked to, because a handler never waits, is killed.
constexpr auto patience = 5s;

}  // namespace

const int Supervisor::retire_signal = SIGUSR1;

Nanoseconds Supervisor::retire_within() const noexcept {
  const Nanoseconds drain = shared_.options.drain_timeout;
  return drain > Nanoseconds::max() / 4 ? Nanoseconds::max() : 2 * drain + patience;
}

os::SignalWatcher watch_worker_signals(std::function<void(Ending::Step)> stop) {
  return {{SIGTERM, SIGQUIT, SIGUSR1}, [stop = std::move(stop)](int number) {
            using enum Ending::Step;
            stop(number == SIGTERM ? drain : number == SIGQUIT ? cut : retire);
          }};
}

Supervisor::Supervisor(ServerShared& shared, Listeners listeners, bool accepts,
                       WaitingRoom::Limits limits)
    : shared_(shared),
      room_(shared, limits, shared.processes()[0]),
      listeners_(std::move(listeners)),
      accepts_(accepts),
      outcomes_(shared) {}

// How it is to stop is in the counter of stops, which all processes share.
void Supervisor::stop(Ending::Step) { wakeup_.signal(); }

void Supervisor::run(const std::function<void()>& ready) {
  if (os::count_threads() > 1) {
    throw std::runtime_error(fmt::format(
        "architecture {} forks, and this process has {} threads: a child would have their memory, "
        "locks held included, without them; run the server before other threads are made",
        name_of(shared_.dials.architecture), os::count_threads()));
  }
  if (const auto can = os::can_watch_children(); !can) {
    throw std::system_error(
        can.error(),
        fmt::format("architecture {} watches its processes by pidfd_open(2), which is denied here; "
                    "choose one that does not fork, such as loops",
                    name_of(shared_.dials.architecture)));
  }
  std::optional<os::SignalQueue> signals;
  if (shared_.options.signals) {
    signals.emplace({SIGINT, SIGTERM, SIGHUP});
    signals_ = &*signals;
    watch(signals->fd(), signals_data);
  }
  watch(wakeup_.fd(), stop_data);
  try {
    supervise(ready);
  } catch (...) {
    workers_.kill_all();
    throw;
  }
  (void)selector_.unregister(wakeup_.fd());
  if (signals_) (void)selector_.unregister(signals->fd());
  signals_ = nullptr;
}

void Supervisor::supervise(const std::function<void()>& ready) {
  apply_stops();
  if (!stopping_) begin();
  ready();
  apply_stops();
  while (!stopping_ || !workers_.empty()) wait_once();
}

void Supervisor::watch(int fd, std::uint64_t data) {
  const auto key = selector_.register_fd(fd, event_read, data);
  if (!key) throw std::system_error(key.error(), "the supervisor can't wait");
}

void Supervisor::wait_once() {
  watch_listeners();
  Deadline until = workers_.next_deadline();
  if (!stopping_) until = std::min(until, next_deadline());
  if (accepts_ && !watched_ && rests_until_ > monotonic_now()) {
    until = std::min(until, rests_until_);
  }
  std::array<SelectorEvent, 64> events;
  const auto count = selector_.select(events, timeout_until(until, monotonic_now()));
  if (!count) {  // the kernel had no memory for this wait: the next one may do better
    POLYIO_ASSERT(count.error() == errno_code(ENOMEM));
    std::this_thread::sleep_for(1ms);
    return;
  }
  for (std::size_t i = 0; i < *count; ++i) on_event(events[i]);
  if (const std::size_t killed = workers_.kill_overdue()) {
    shared_.log(
        {fmt::format("{} processes did not end when they were asked to; they are killed", killed),
         LogLevel::warning});
  }
  if (!stopping_) time_passed();
}

void Supervisor::on_event(const SelectorEvent& event) {
  switch (event.key.data) {
    case stop_data: wakeup_.drain(); return apply_stops();
    case signals_data: return take_signals();
    default: break;
  }
  if (event.key.data < first_worker) return accept_some(event.key.fd);
  (void)workers_.handle(event);
  count_workers();
}

void Supervisor::take_signals() {
  while (const int number = signals_->next()) {
    if (number != SIGHUP || shared_.terminal_is_gone()) {
      shared_.counters().stops.fetch_add(1);
      apply_stops();
    } else if (!stopping_) {
      reload();
    }
  }
}

void Supervisor::apply_stops() {
  const unsigned stops = shared_.counters().stops.load();
  if (stops > 0 && !stopping_) {
    stopping_ = true;
    shared_.stop_begins();
    watch_listeners();
    listeners_.clear();
    room_.close();
    const Deadline drained = deadline_after(monotonic_now(), shared_.options.drain_timeout);
    workers_.ask_all_to_end(SIGTERM, drained == never ? never : drained + patience);
  }
  if (stops > 1 && !cut_) {
    cut_ = true;
    workers_.ask_all_to_end(SIGQUIT, monotonic_now() + patience);
  }
}

// --- accepting ---

void Supervisor::watch_listeners() {
  const bool wanted =
      accepts_ && !stopping_ && begun() && rests_until_ <= monotonic_now() && room_.may_accept();
  if (wanted == watched_) return;
  if (!wanted) return unwatch_listeners();
  watched_ = true;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    auto key = selector_.register_fd(listeners_[i].get(), event_read, first_listener + i);
    if (key) continue;
    unwatch_listeners();
    return accept_failed(key.error());
  }
}

void Supervisor::unwatch_listeners() {
  for (const os::UniqueFd& listener : listeners_) (void)selector_.unregister(listener.get());
  watched_ = false;
}

// Not all at once: workers that end and signals get their turn.
void Supervisor::accept_some(int listener) {
  for (int i = 0; i < 16 && !stopping_ && room_.may_accept(); ++i) {
    auto socket = os::accept(listener, os::Blocking::no);
    if (!socket) return accept_failed(socket.error());  // EAGAIN: that was all
    outcomes_.succeeded();
    if (enter(*socket)) serve(std::move(*socket));
  }
}

// A connection that can't be kept waiting for want of memory is turned away.
bool Supervisor::enter(os::UniqueFd& socket) {
  try {
    return room_.enter(socket);
  } catch (const std::bad_alloc& error) {
    shared_.refuse(std::move(socket), error.what());
    return false;
  }
}

void Supervisor::accept_failed(std::error_code error) {
  if (outcomes_.failed(error)) rests_until_ = monotonic_now() + AcceptOutcomes::rest;
}

// --- workers ---

Result<Supervisor::Worker*> Supervisor::fork(const process::WorkerSet::Body& body,
                                             bool with_channel) {
  // Of connections that wait and of the listener, the child must hold no copy.
  const auto in_child = [&](os::UniqueFd channel) {
    room_.forget();
    if (accepts_) listeners_.clear();
    return body(std::move(channel));
  };
  auto worker = workers_.fork(in_child, with_channel);
  count_workers();
  return worker;
}

void Supervisor::on_end(Worker& worker, const os::ExitStatus& status, bool crashed) {
  if (crashed) {
    shared_.counters().workers_crashed.fetch_add(1, std::memory_order_relaxed);
    shared_.log(
        {fmt::format("process {} {}", worker.process.pid(), status.text()), LogLevel::error});
  }
  ended(worker);
}

void Supervisor::count_workers() noexcept {
  shared_.counters().workers.store(workers_.size(), std::memory_order_relaxed);
}

}  // namespace polyio
