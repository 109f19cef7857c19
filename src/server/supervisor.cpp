#include "supervisor.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <thread>

#include "accept_errors.hpp"

namespace polyio {
namespace {

using namespace std::chrono_literals;

// A child that does not end when it is told to, because a handler never waits, is killed.
constexpr auto patience = 5s;

}  // namespace

const int Supervisor::retire_signal = SIGUSR1;

struct ChildSignals::State {
  std::function<void(Architecture::Stop)> stop;
  std::optional<os::SignalWatcher> watcher;
};

ChildSignals::ChildSignals(std::function<void(Architecture::Stop)> stop)
    : state_(std::make_unique<State>()) {
  state_->stop = std::move(stop);
  state_->watcher.emplace({SIGTERM, SIGQUIT, SIGUSR1}, [state = state_.get()](int number) {
    using enum Architecture::Stop;
    state->stop(number == SIGTERM ? drain : number == SIGQUIT ? cut : retire);
  });
}

ChildSignals::~ChildSignals() = default;

Supervisor::Supervisor(ServerShared& shared, os::UniqueFd listener, bool accepts,
                       WaitingRoom::Limits limits)
    : shared_(shared),
      room_(shared, limits, shared.seats()[0]),
      listener_(std::move(listener)),
      accepts_(accepts) {}

void Supervisor::stop(Stop) { wakeup_.signal(); }  // how is in the counter of stops

void Supervisor::run(const std::function<void()>& ready) {
  if (os::count_threads() > 1) {
    throw std::runtime_error(fmt::format(
        "architecture {} forks, and this process has {} threads: a child would have their memory, "
        "locks held included, without them; run the server before other threads are made",
        shared_.options.architecture, os::count_threads()));
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
    end_children();
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
  while (!stopping_ || !children_.empty()) wait_once();
}

void Supervisor::watch(int fd, std::uint64_t data) {
  const auto key = selector_.register_fd(fd, event_read, data);
  if (!key) throw std::system_error(key.error(), "the supervisor can't wait");
}

// No process outlives who looks after it.
void Supervisor::end_children() noexcept {
  for (Child& child : children_) {
    child.process.signal(SIGKILL);
    (void)child.process.wait();
  }
  children_.clear();
}

void Supervisor::wait_once() {
  watch_listener();
  Deadline until = std::min(next_deadline(), kill_at_);
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
  for (std::size_t i = 0; i < *count; ++i) told(events[i]);
  kill_overdue();
  if (!stopping_) time_passed();
}

// Data of a child: twice its id for the pidfd, one more for the channel.
void Supervisor::told(const SelectorEvent& event) {
  if (event.key.data == stop_data) {
    wakeup_.drain();
    return apply_stops();
  }
  if (event.key.data == signals_data) return take_signals(*signals_);
  if (event.key.data == listener_data) return accept_some();
  Child* const child = find(event.key.data / 2);
  if (!child) return;  // stale: reaped a moment ago
  if (event.key.data % 2 == 0) return reap(*child);
  auto message = os::receive_message(child->channel.get(), false);
  if (!message) return;
  if (message->byte != 0) return heard(*child, message->byte);
  (void)selector_.unregister(child->channel.get());  // it ends: the pidfd tells how
}

Supervisor::Child* Supervisor::find(std::uint64_t id) noexcept {
  for (Child& child : children_) {
    if (child.id == id) return &child;
  }
  return nullptr;
}

void Supervisor::take_signals(os::SignalQueue& signals) {
  while (const int number = signals.next()) {
    if (number != SIGHUP) {
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
    watch_listener();
    listener_.reset();
    room_.close();
    signal_all(SIGTERM);
    kill_at_ = deadline_after(monotonic_now(), shared_.options.drain_timeout);
    if (kill_at_ != never) kill_at_ += patience;
  }
  if (stops > 1 && !cut_) {
    cut_ = true;
    signal_all(SIGQUIT);
    kill_at_ = monotonic_now() + patience;
  }
}

void Supervisor::kill_overdue() {
  if (kill_at_ > monotonic_now()) return;
  kill_at_ = never;
  if (children_.empty()) return;
  shared_.log(fmt::format("{} processes did not end when they were told to; they are killed",
                          children_.size()));
  signal_all(SIGKILL);
}

void Supervisor::signal(Child& child, int number) {
  child.asked_to_end = true;
  child.process.signal(number);
}

void Supervisor::signal_all(int number) {
  for (Child& child : children_) signal(child, number);
}

// --- accepting ---

void Supervisor::watch_listener() {
  const bool wanted =
      accepts_ && !stopping_ && begun() && rests_until_ <= monotonic_now() && room_.may_accept();
  if (wanted == watched_) return;
  if (!wanted) {
    (void)selector_.unregister(listener_.get());
  } else if (auto key = selector_.register_fd(listener_.get(), event_read, listener_data); !key) {
    return accept_failed(key.error());
  }
  watched_ = wanted;
}

// Not all at once: children that end and signals get their turn.
void Supervisor::accept_some() {
  for (int i = 0; i < 16 && !stopping_ && room_.may_accept(); ++i) {
    auto socket = os::accept(listener_.get(), os::Blocking::no);
    if (!socket) return accept_failed(socket.error());
    exhausted_ = false;
    shared_.counters().accepted.fetch_add(1, std::memory_order_relaxed);
    if (enter(*socket)) serve(std::move(*socket));
  }
}

// Who can't be kept waiting for want of memory is turned away.
bool Supervisor::enter(os::UniqueFd& socket) {
  try {
    return room_.enter(socket);
  } catch (const std::bad_alloc& error) {
    shared_.refuse(std::move(socket), error.what());
    return false;
  }
}

void Supervisor::accept_failed(std::error_code error) {
  if (concerns_one_connection(error)) return;  // EAGAIN: that was all
  shared_.counters().accept_errors.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(exhausted_, true)) {
    shared_.log(fmt::format("accept: {}; {}", error.message(),
                            exhausted(error) ? "waiting until some are free" : "going on"));
  }
  rests_until_ = monotonic_now() + exhausted_rest;
}

// --- children ---

Supervisor::Child* Supervisor::fork(const Body& body, bool with_channel, std::error_code& error) {
  os::Channel channel;
  if (with_channel) {
    auto made = os::make_channel();
    if (!made) {
      error = made.error();
      return nullptr;
    }
    channel = std::move(*made);
  }
  std::list<Child> made(1);  // before there is a process: afterwards nothing may throw
  auto process = os::fork_child([&] {
    channel.ours.reset();
    let_go_in_child();
    return body(std::move(channel.theirs));
  });
  if (!process) {
    error = process.error();
    return nullptr;
  }
  Child& child = made.front();
  child.id = next_id_++;
  child.process = std::move(*process);
  child.channel = std::move(channel.ours);
  child.born = monotonic_now();
  error = watch(child);
  if (error) {
    child.process.signal(SIGKILL);
    (void)child.process.wait();
    return nullptr;
  }
  children_.splice(children_.end(), made);
  shared_.counters().workers.store(children_.size(), std::memory_order_relaxed);
  return &child;
}

std::error_code Supervisor::watch(const Child& child) {
  const int process = child.process.fd();
  auto key = selector_.register_fd(process, event_read, child.id * 2);
  if (!key || !child.channel) return key ? std::error_code() : key.error();
  key = selector_.register_fd(child.channel.get(), event_read, child.id * 2 + 1);
  if (key) return {};
  (void)selector_.unregister(process);
  return key.error();
}

// Of descriptors that a child holds too, the peers would not see the end: channels of its siblings,
// connections that wait.
void Supervisor::let_go_in_child() {
  children_.clear();
  room_.forget();
  if (accepts_) listener_.reset();
}

void Supervisor::reap(Child& child) {
  (void)selector_.unregister(child.process.fd());
  if (child.channel) (void)selector_.unregister(child.channel.get());
  const os::ExitStatus status = child.process.wait();
  const bool crashed = status.signal != 0 ? !child.asked_to_end : status.code != 0;
  if (crashed) {
    shared_.counters().workers_crashed.fetch_add(1, std::memory_order_relaxed);
    shared_.log(fmt::format("process {} {}", child.process.pid(), status.text()));
  }
  ended(child);
  children_.remove_if([&](const Child& one) { return &one == &child; });
  shared_.counters().workers.store(children_.size(), std::memory_order_relaxed);
}

}  // namespace polyio
