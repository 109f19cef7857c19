// What the posix-aio drivers of a process share, because glibc's helper threads and a signal are
// the process's: the requests, how many connections may have some, and the way a completion takes.
// glibc sends SIGRTMAX-1 for each request that has ended, to the process; whichever thread takes it
// runs a handler that puts the request into its Io's mailbox and wakes the Io. The rule: a request
// gets into the mailbox exactly once, its memory is never freed, and a signal that comes too late
// finds another generation and does nothing.
#pragma once

#include <aio.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <optional>
#include <polyio/os/wakeup.hpp>
#include <string>
#include <vector>

namespace polyio::aio {

// Connections of all posix-aio Ios of a process: an idle one may hold a helper thread each.
inline constexpr unsigned most_connections = 1024;
// Helper threads beyond those: writes, which end in bounded time, find one among them.
inline constexpr unsigned helpers_for_writes = 64;

class Mailbox;

// One aio_read(3) or aio_write(3) at a time. Of the Io's thread, but for what the handler does.
class Request {
 public:
  // Hands it over. 0, or a negated errno (EAGAIN: no memory or no thread) and nothing has begun.
  int read(Mailbox& owner, int fd, void* data, std::size_t size) noexcept;
  int write(Mailbox& owner, int fd, const void* data, std::size_t size) noexcept;

  int fd() const noexcept { return block_.aio_fildes; }
  // It has ended, whether the signal has come or not.
  bool over() const noexcept { return ::aio_error(&block_) != EINPROGRESS; }
  // Its result, once it came out of the mailbox: bytes or a negated errno.
  std::int64_t result() noexcept;
  // Ends it with ECANCELED if no helper has begun it yet; that completes like any other end.
  void cancel() noexcept { (void)::aio_cancel(block_.aio_fildes, &block_); }
  // Puts it into the mailbox without a signal, if it is over and no signal has. For its Io's
  // thread.
  void collect() noexcept;
  // Remembers a suspicion; true if it was there already, about the same use of the request.
  enum class Suspicion : std::uint64_t { lost, starved };
  bool suspect(Suspicion what) noexcept;

  std::uint32_t slot = 0;  // the driver's
  bool writes = false;
  bool lost = false;  // its notification was: result() then can't tell EAGAIN from an error of that

 private:
  friend class Mailbox;
  friend class Connections;
  friend void on_signal(int, siginfo_t*, void*);
  enum Stage : std::uint64_t { idle, started, ended };
  static constexpr int stage_bits = 2;

  static constexpr std::uint64_t in(std::uint64_t generation, Stage stage) noexcept {
    return generation << stage_bits | stage;
  }
  int begin(Mailbox& owner, int fd, void* data, std::size_t size, int (*call)(aiocb*)) noexcept;
  bool end(std::uint64_t generation) noexcept;
  void ask_to_look() noexcept;

  aiocb block_{};
  std::atomic<Mailbox*> owner_{nullptr};
  Request* next_ = nullptr;  // in the mailbox
  std::uint64_t generation_ = 0;
  std::uint64_t suspected_ = 0;
  std::atomic<std::uint64_t> stage_{0};  // with the generation
  std::uint32_t index_ = 0;
};

// Where the requests of one Io come back. take() and the waiting are for the Io's thread.
class Mailbox {
 public:
  ~Mailbox();
  int fd() const noexcept { return wakeup_.fd(); }
  void wake() noexcept { wakeup_.signal(); }
  void drain() noexcept { wakeup_.drain(); }
  // All that came, linked by next(), the first come first.
  Request* take() noexcept;
  static Request* next(const Request& request) noexcept { return request.next_; }
  // Nothing came, and no reason to look.
  bool empty() const noexcept { return !ended_.load() && !look_.load(); }
  // Signals were lost: every request in flight has to be collected. Only ThreadSanitizer does that.
  bool should_look() noexcept { return look_.load() && look_.exchange(false); }
  // The Io's thread is about to sleep in a call that a signal ends; looks at empty() after this.
  void sleeps() noexcept { sleeper_.store(::pthread_self()); }
  void is_awake() noexcept { sleeper_.store({}, std::memory_order_relaxed); }

 private:
  friend class Request;
  void wake_sleeper() noexcept;

  os::Wakeup wakeup_;
  std::atomic<Request*> ended_{nullptr};
  std::atomic<pthread_t> sleeper_{};
  std::atomic<bool> look_{false};
};

// The connections of the process: who has a permit may have a read and a write in flight.
class Connections {
 public:
  static Connections& instance();
  // Permits there are: most_connections, or fewer where RLIMIT_SIGPENDING is low.
  unsigned limit() const noexcept { return limit_; }
  // Empty: all are taken. Thread-safe.
  std::optional<std::uint32_t> take();
  void give_back(std::uint32_t permit);
  Request& reader(std::uint32_t permit) noexcept { return pair(permit)->reader; }
  Request& writer(std::uint32_t permit) noexcept { return pair(permit)->writer; }

 private:
  friend class Request;
  friend void on_signal(int, siginfo_t*, void*);
  struct Pair {
    Request reader, writer;
  };
  Connections();
  Pair* pair(std::uint32_t permit) noexcept {
    return pairs_[permit].load(std::memory_order_acquire);
  }
  Request* find(std::uint32_t index) noexcept;

  unsigned limit_;
  std::mutex mutex_;
  std::vector<std::uint32_t> free_;
  std::array<std::atomic<Pair*>, most_connections> pairs_{};
};

// The signal that tells of a completion.
int completion_signal() noexcept;
// Does the handler's work for the signals that are queued, in a thread that blocks the signal.
void take_signals() noexcept;
// Has the signal's handler in place while it lives; several may. Thread-safe.
class SignalTaken {
 public:
  SignalTaken();
  ~SignalTaken();
  SignalTaken(const SignalTaken&) = delete;
  SignalTaken& operator=(const SignalTaken&) = delete;
  // Why it could not be taken: it has another use. Else empty.
  const std::string& problem() const noexcept { return problem_; }
  // Nobody had it before.
  bool first() const noexcept { return first_; }

 private:
  std::string problem_;
  bool first_ = false;
};
// aio_init(3): as many helper threads as there may be connections, and how long an idle one stays;
// negative: not at all.
void keep_idle_helpers(int seconds) noexcept;

}  // namespace polyio::aio
