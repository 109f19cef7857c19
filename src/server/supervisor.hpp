// Supervisor: the process that owns the listening socket and the processes which serve. It makes no
// driver and no thread, so that it may fork at any time (the rule of os/process.hpp): it sleeps in
// one Selector, on its workers, a signalfd, a wake-up for stop(), and the listening socket where it
// accepts itself.
#pragma once

#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/process/worker_set.hpp>
#include <polyio/selectors/poll_selector.hpp>

#include "accept_errors.hpp"
#include "host.hpp"
#include "waiting_room.hpp"

namespace polyio {

class Supervisor : public Host, private process::WorkerSet::Owner {
 public:
  void run(const std::function<void()>& ready) final;
  // From any of the server's processes.
  void stop(Ending::Step how) final;
  bool handles_signals() const final { return true; }

 protected:
  using Worker = process::WorkerSet::Worker;

  // Accepts itself when `accepts`; else the listener is for the workers.
  Supervisor(ServerShared& shared, Listeners listeners, bool accepts, WaitingRoom::Limits limits);
  ~Supervisor() override = default;

  // --- what the architectures fill in ---
  virtual void begin() {}
  // Whether connections can be taken at all yet.
  virtual bool begun() const { return true; }
  // Serves a connection that has a place.
  virtual void serve(os::UniqueFd) {}
  // A worker has sent a byte over its channel.
  virtual void received(Worker&, char) {}
  // Reaped already; forgotten afterwards.
  virtual void ended(Worker& worker) = 0;
  virtual void reload() = 0;
  virtual Deadline next_deadline() const { return never; }
  virtual void time_passed() {}

  // --- what they do it with ---
  // Forks a worker that runs `body(its end of the channel)`, with what is the supervisor's alone
  // closed. Errors: no process can be had.
  Result<Worker*> fork(const process::WorkerSet::Body& body, bool with_channel);
  process::WorkerSet& workers() noexcept { return workers_; }
  bool stopping() const noexcept { return stopping_; }
  Listeners take_listeners() noexcept { return std::move(listeners_); }  // in a worker

  // Asks a worker to retire, and its time for that: as long as it would take to its last step
  // (Ending), and the patience that a stop has, too.
  static const int retire_signal;
  Nanoseconds retire_within() const noexcept;
  ServerShared& shared_;
  WaitingRoom room_;

 private:
  // What the selector's keys carry; a listener's number from `first_listener` on, a worker's id
  // from `first_worker` on.
  enum : std::uint64_t { stop_data, signals_data, first_listener, first_worker = 1 << 16 };

  void supervise(const std::function<void()>& ready);
  void watch(int fd, std::uint64_t data);
  void wait_once();
  void on_event(const SelectorEvent& event);
  void take_signals();
  void apply_stops();
  void watch_listeners();
  void unwatch_listeners();
  void accept_some(int listener);
  bool enter(os::UniqueFd& socket);
  void accept_failed(std::error_code error);
  void on_message(Worker& worker, char message) final { received(worker, message); }
  void on_end(Worker& worker, const os::ExitStatus& status, bool crashed) final;
  void count_workers() noexcept;

  Listeners listeners_;
  const bool accepts_;
  bool watched_ = false;  // the listeners
  AcceptOutcomes outcomes_;
  Deadline rests_until_ = TimePoint::min();
  PollSelector selector_;
  os::Wakeup wakeup_;
  os::SignalQueue* signals_ = nullptr;
  process::WorkerSet workers_{selector_, first_worker, *this};
  bool stopping_ = false, cut_ = false;
};

// In a worker: SIGTERM drains, SIGQUIT cuts, SIGUSR1 retires, while the watcher lives.
os::SignalWatcher watch_worker_signals(std::function<void(Ending::Step)> stop);

}  // namespace polyio
