// Supervisor: the process that owns the listening socket and the processes which serve. It makes no
// driver and no thread, so that it may fork at any time (the rule of os/process.hpp): it sleeps in
// one Selector, on its children's pidfds and channels, a signalfd, a wake-up for stop(), and the
// listening socket where it is the one who accepts. Nothing that happens to a child can be missed:
// a pidfd stays readable until the child is reaped.
#pragma once

#include <list>
#include <polyio/os/wakeup.hpp>
#include <polyio/selectors/poll_selector.hpp>

#include "architecture.hpp"
#include "waiting_room.hpp"

namespace polyio {

class Supervisor : public Architecture {
 public:
  void run(const std::function<void()>& ready) final;
  // From any of the server's processes.
  void stop(Stop how) final;
  bool handles_signals() const final { return true; }

 protected:
  struct Child {
    std::uint64_t id = 0;
    os::ChildProcess process;
    os::UniqueFd channel;  // ours, where it has one
    TimePoint born{};
    bool asked_to_end = false;
  };

  // Accepts itself when `accepts`; else the listener is for the children.
  Supervisor(ServerShared& shared, os::UniqueFd listener, bool accepts, WaitingRoom::Limits limits);

  // --- what the architectures fill in ---
  virtual void begin() {}
  // Whether connections can be taken at all yet.
  virtual bool begun() const { return true; }
  // A connection that has a place.
  virtual void serve(os::UniqueFd) {}
  virtual void heard(Child&, char) {}
  // Reaped already; forgotten afterwards.
  virtual void ended(Child& child) = 0;
  virtual void reload() = 0;
  virtual Deadline next_deadline() const { return never; }
  virtual void time_passed() {}

  // --- what they do it with ---
  // Forks a child that runs `body(its end of the channel)`, with what is the supervisor's alone
  // closed. nullptr: no process can be had, `error` says why.
  using Body = std::function<int(os::UniqueFd channel)>;
  Child* fork(const Body& body, bool with_channel, std::error_code& error);
  void retire(Child& child) { signal(child, retire_signal); }
  Child* find(std::uint64_t id) noexcept;
  bool stopping() const noexcept { return stopping_; }
  os::UniqueFd take_listener() noexcept { return std::move(listener_); }  // in a child
  std::list<Child>& children() noexcept { return children_; }

  ServerShared& shared_;
  WaitingRoom room_;

 private:
  enum : std::uint64_t { stop_data, signals_data, listener_data, first_child };
  static const int retire_signal;

  void supervise(const std::function<void()>& ready);
  void watch(int fd, std::uint64_t data);
  std::error_code watch(const Child& child);
  void end_children() noexcept;
  void wait_once();
  void told(const SelectorEvent& event);
  void take_signals(os::SignalQueue& signals);
  void apply_stops();
  void signal(Child& child, int number);
  void signal_all(int number);
  void watch_listener();
  void accept_some();
  bool enter(os::UniqueFd& socket);
  void accept_failed(std::error_code error);
  void reap(Child& child);
  void let_go_in_child();
  void kill_overdue();

  os::UniqueFd listener_;
  const bool accepts_;
  bool watched_ = false;    // the listener
  bool exhausted_ = false;  // said so in the log
  Deadline rests_until_ = TimePoint::min();
  PollSelector selector_;
  os::Wakeup wakeup_;
  os::SignalQueue* signals_ = nullptr;
  std::list<Child> children_;
  std::uint64_t next_id_ = first_child / 2 + 1;
  bool stopping_ = false, cut_ = false;
  Deadline kill_at_ = never;
};

// In a child: SIGTERM drains, SIGQUIT cuts, SIGUSR1 retires.
class ChildSignals {
 public:
  explicit ChildSignals(std::function<void(Architecture::Stop)> stop);
  ~ChildSignals();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyio
