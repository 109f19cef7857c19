// What all posix-aio drivers of a process share, because glibc's helper threads and the completion
// signal belong to the process: the requests, the limit of connections, and delivery from the
// signal to the Io whose request has ended. glibc queues SIGRTMAX-1 to the process for each. The
// thread that takes it, in a handler or from a signalfd, puts the request into its Io's mailbox.
// The rule: a request gets into the mailbox exactly once, its memory is never freed, and a signal
// that comes too late finds another generation and does nothing.
#pragma once

#include <aio.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <optional>
#include <polyio/base/result.hpp>
#include <polyio/os/wakeup.hpp>
#include <string>
#include <vector>

namespace polyio::aio {

// Connections of all posix-aio Ios of a process: each that waits holds a helper thread.
inline constexpr unsigned max_connections = 1024;

class Mailbox;

// One aio_read(3) at a time. For its Io's thread, but for what a signal does.
class Request {
 public:
  // Hands it over. 0, or a negated errno (EAGAIN: no memory or no thread) and nothing has begun.
  int read(Mailbox& owner, int fd, void* data, std::size_t size) noexcept;

  int fd() const noexcept { return block_.aio_fildes; }
  // It has ended, whether the signal has come or not.
  bool over() const noexcept { return ::aio_error(&block_) != EINPROGRESS; }
  // Its result, once it came out of the mailbox: bytes or a negated errno; ECANCELED after
  // cancel(), ENOBUFS when glibc could not queue the signal, which costs what was read.
  std::int64_t result() noexcept;
  // Ends it if no helper has begun it yet; that completes like any other end.
  void cancel() noexcept { (void)::aio_cancel(block_.aio_fildes, &block_); }
  // Puts it into the mailbox without a signal, if it is over and no signal has.
  void collect() noexcept;

 private:
  friend class Mailbox;
  friend class Connections;
  friend struct Signals;
  enum Stage : std::uint64_t { idle, started, ended };
  static constexpr int stage_bits = 2;

  static constexpr std::uint64_t in(std::uint64_t generation, Stage stage) noexcept {
    return generation << stage_bits | stage;
  }
  void end(std::uint64_t generation, const Mailbox* own) noexcept;
  void ask_to_look() noexcept;

  aiocb block_{};
  std::atomic<Mailbox*> owner_{nullptr};
  Request* next_ = nullptr;  // in the mailbox
  std::uint64_t generation_ = 0;
  std::atomic<std::uint64_t> stage_{0};  // with the generation
  std::uint32_t index_ = 0;
};

// Where the requests of one Io come back. For the Io's thread, but for what a signal does.
class Mailbox {
 public:
  // `wakeup` is signalled when another thread has put something in.
  explicit Mailbox(os::Wakeup& wakeup) noexcept : wakeup_(wakeup) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox();
  // All that has come, linked by next(), the oldest first.
  Request* take() noexcept;
  static Request* next(const Request& request) noexcept { return request.next_; }
  // Signals were lost: every request in flight has to be collected. Only ThreadSanitizer does that.
  bool should_look() noexcept { return look_.load() && look_.exchange(false); }

 private:
  friend class Request;

  os::Wakeup& wakeup_;
  std::atomic<Request*> ended_{nullptr};
  std::atomic<bool> look_{false};
};

// The connections of the process: each has a permit, and with it a request.
class Connections {
 public:
  static Connections& instance();
  // Permits there are: max_connections, or fewer where RLIMIT_SIGPENDING is low.
  unsigned limit() const noexcept { return limit_; }
  // A permit. Errors: EUSERS, all are taken; ENOMEM. Thread-safe.
  Result<std::uint32_t> take() noexcept;
  void give_back(std::uint32_t permit);
  Request& request(std::uint32_t permit) noexcept { return *find(permit); }

 private:
  friend struct Signals;
  Connections();
  Request* find(std::uint32_t index) noexcept {
    return index < requests_.size() ? requests_[index].load(std::memory_order_acquire) : nullptr;
  }

  unsigned limit_;
  std::mutex mutex_;
  std::vector<std::uint32_t> free_;
  std::array<std::atomic<Request*>, max_connections> requests_{};
};

// The signal that announces a completion.
int completion_signal() noexcept;
sigset_t completion_signals() noexcept;
// What the handler does, for one signal that sigtimedwait(2) took.
void take_signal(const siginfo_t& info) noexcept;
// The same for all that a signalfd(2) has, by the thread of the Io that `own` belongs to: it needs
// no wake-up for itself.
void take_signals(int signalfd, const Mailbox& own) noexcept;
// Has the signal's handler in place while it lives; several may. Thread-safe.
class SignalTaken {
 public:
  SignalTaken();
  ~SignalTaken();
  SignalTaken(const SignalTaken&) = delete;
  SignalTaken& operator=(const SignalTaken&) = delete;
  // Why it could not be taken: it has another use. Else empty.
  const std::string& problem() const noexcept { return problem_; }
  // There was no other before.
  bool first() const noexcept { return first_; }

 private:
  std::string problem_;
  bool first_ = false;
};
// aio_init(3): as many helper threads as there may be connections, and how long an idle one stays;
// negative: not at all.
void keep_idle_helpers(int seconds) noexcept;

}  // namespace polyio::aio
