// SignalSelector: Selector over signal-driven I/O (O_ASYNC, F_SETSIG: fcntl(2)). The kernel queues
// a real-time signal to the thread for each thing that happens to a registered file, and
// sigtimedwait(2) takes it: no handler runs. The rule it keeps: a signal is only a hint of which fd
// to look at; what is told is what one poll(2) without waiting then finds. So a signal left over
// from a closed fd, or sent by somebody, tells nothing that isn't so, and when the queue overflows
// (RLIMIT_SIGPENDING; the kernel then sends plain SIGIO) everything registered is looked at and
// nothing is lost. A wait costs O(signals), one system call each.
//
// What is decided:
// - Edge-triggered, as signals are: one comes when something happens, none while it lasts.
// - Each selector has a real-time signal of its own from SIGRTMIN to SIGRTMAX - 3 that nobody has
//   installed a handler for; so there can be at most 28. The number's disposition becomes SIG_IGN
//   for good: blocked signals are queued all the same, and one that arrives where it isn't blocked
//   kills nobody.
// - The signals go to the thread that made the last register_fd() or select(); there this signal
//   and SIGIO are blocked, and stay so. In a new thread everything registered is taken over and
//   looked at: O(registered).
// - Sockets, pipes, terminals, inotify. Files, eventfd, timerfd, epoll and others that send no
//   signals are refused (EPERM): use os::Wakeup::Kind::pipe to wake.
// - The owner and the signal belong to the open file, not to the fd: a file can be in one
//   SignalSelector only and is told under the fd registered last. unregister() of an fd that was
//   closed while a duplicate lives can't stop the signals, which are then dropped here.
// - What register_shared() was given is waited for by ppoll(2), beside a signalfd(2) for the
//   signals: one system call more per wait while there is any.
// - No signal tells of one's own shutdown(2): modify() after it, which looks again.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <polyio/os/unique_fd.hpp>
#include <polyio/selectors/selector.hpp>

namespace polyio {

class SignalSelector final : public Selector {
 public:
  // Throws std::system_error EAGAIN when no real-time signal is free.
  SignalSelector();
  ~SignalSelector() override { close(); }

  // Its real-time signal; 0 once closed.
  int signal_number() const noexcept { return signal_; }

 private:
  int arm(int fd, Record& record, Events events) override;
  int arm_shared(int fd, Record& record) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;

  int own(int fd) noexcept;
  void disown(int fd) noexcept;
  void enter_thread() noexcept;
  void look_at(int fd, Record& record) noexcept;
  void look_at_everything() noexcept;
  void make_room();
  int look_at_shared(const std::timespec* timeout) noexcept;
  int collect(const std::timespec* timeout, std::size_t most) noexcept;
  Result<std::size_t> tell(std::span<SelectorEvent> out) noexcept;

  // The fds to look at: look_[begin_...]; Record::mark is the index there + 1, 0 when it isn't in.
  // An entry no longer wanted is -1. Room for twice what is registered, so that waits don't
  // allocate.
  std::vector<int> look_;
  std::size_t begin_ = 0;
  std::vector<pollfd> polled_;
  // Of register_shared(), behind a signalfd that ends the poll(2) when a signal has come. It takes
  // none: that is sigtimedwait's.
  std::vector<pollfd> shared_;
  os::UniqueFd signals_;
  int signal_ = 0;
  pid_t thread_ = 0;             // who gets the signals; 0: nobody yet
  std::uint32_t overflows_ = 0;  // of that thread, those seen
};

}  // namespace polyio
