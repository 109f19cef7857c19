// Child processes for servers: forked, watched through a pidfd, and ended when their parent ends;
// the memory, signals and channels they share with it. Errors are values. The rule: a process forks
// only while it has no other thread, because the child gets the memory of all threads, held locks
// included, but only the thread that called (fork(2)). Not thread-safe: for that only thread.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <polyio/os/unique_fd.hpp>
#include <string>

namespace polyio::os {

// How a process ended: `signal` is 0 when it ended by itself, with `code`.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  Nanoseconds cpu{};  // what it has computed, and those of its children that it waited for
  // "ended with code 1", "was killed by signal 9 (Killed)".
  std::string text() const;
};

// A child not waited for yet. It is known by its pidfd rather than its number, so that a signal
// never hits an unrelated process that has reused the number (pidfd_open(2)).
class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid() const noexcept { return pid_; }
  // Readable once it has ended: for a Selector.
  int fd() const noexcept { return pidfd_.get(); }
  // kill(2). A child that has ended already is no error.
  void signal(int number) const noexcept;
  // Waits until it has ended, and reaps it: no zombie stays. Once.
  ExitStatus wait();
  // Gives up the pidfd, and with it the duty to reap the child.
  UniqueFd release() noexcept { return std::move(pidfd_); }

 private:
  pid_t pid_ = 0;
  UniqueFd pidfd_;
};

// Runs `body` in a child, whose exit code is what it returns, 70 when it throws (_exit(2): nothing
// of the parent's is flushed or destroyed twice). In the child SIGTERM, SIGQUIT and SIGUSR1 are
// blocked until a SignalWatcher takes them, SIGINT and SIGHUP, which a terminal sends to all, are
// ignored, and SIGTERM comes when the parent dies, kill -9 included. Errors: EBUSY, this process
// has another thread; EAGAIN, ENOMEM, EMFILE, no process can be had.
Result<ChildProcess> fork_child(std::move_only_function<int()> body);

// The same without those policies: `body` gets the former signal mask, runs with every signal
// blocked, and what it returns ends the child by _exit(2). It must not throw.
Result<ChildProcess> fork_plain(std::move_only_function<int(const sigset_t& mask)> body);

// Whether this system lets a process be watched by a pidfd, as both need. Errors: EPERM, ENOSYS, a
// sandbox or an old kernel denies it; EMFILE, ENFILE.
Result<> can_watch_children() noexcept;

// How many threads this process has. Those of the kernel (io_uring's) and of a sanitizer don't
// count: they do no harm to a fork(2).
std::size_t count_threads() noexcept;

// Memory that is shared with every process forked from now on; zeros (mmap(2)). Throws
// std::system_error when none is left.
class SharedPages {
 public:
  explicit SharedPages(std::size_t size);
  ~SharedPages();
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;
  void* data() const noexcept { return data_; }

 private:
  void* data_;
  std::size_t size_;
};

// The signals of `numbers` as a descriptor to read them from (signalfd(2)): no handler runs and no
// thread is needed. They are blocked while this lives. Only in a process that has one thread.
class SignalQueue {
 public:
  // Throws std::system_error when no descriptor is left.
  explicit SignalQueue(std::initializer_list<int> numbers);
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;
  int fd() const noexcept { return fd_.get(); }
  // The next that has come, 0: none.
  int next() noexcept;

 private:
  UniqueFd fd_;
  sigset_t mask_before_;
};

// Two ends of a channel that carries descriptors, one per message (unix(7), SCM_RIGHTS). The end of
// file comes when the other end is closed everywhere.
struct Channel {
  UniqueFd ours, theirs;
};
Result<Channel> make_channel();
// Sends a byte, with a descriptor unless it is -1. Never waits: EAGAIN when the channel is full.
Result<> send_message(int channel, char byte, int descriptor = -1);
struct Message {
  char byte = 0;  // 0: the end of file
  UniqueFd descriptor;
};
// Waits for the next message. Restarted on EINTR. Errors: EAGAIN with `wait` false.
Result<Message> receive_message(int channel, bool wait);

}  // namespace polyio::os
