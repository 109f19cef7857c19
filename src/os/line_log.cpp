#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <polyio/base/clock.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/thread.hpp>
#include <polyio/os/wakeup.hpp>
#include <utility>

namespace polyio::os {
namespace {

// A pipe takes that many bytes as one piece or not at all (PIPE_BUF), also when several processes
// write to it.
constexpr std::size_t piece = 4096;

// SIGPIPE and SIGXFSZ are errors here and not the end of the process.
class QuietSignals {
 public:
  QuietSignals() noexcept {
    sigemptyset(&set_);
    sigaddset(&set_, SIGPIPE);
    sigaddset(&set_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    sigset_t pending;
    sigemptyset(&pending);
    ::sigpending(&pending);
    for (const int number : {SIGPIPE, SIGXFSZ}) {
      if (sigismember(&pending, number) == 1) sigdelset(&set_, number);  // not ours to take
    }
  }
  ~QuietSignals() {
    const timespec at_once{};
    while (raised_ && ::sigtimedwait(&set_, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  QuietSignals(const QuietSignals&) = delete;
  QuietSignals& operator=(const QuietSignals&) = delete;
  void failed_with(int error) noexcept { raised_ |= error == EPIPE || error == EFBIG; }

 private:
  sigset_t set_, before_;
  bool raised_ = false;
};

// A descriptor to write to without waiting. Its own flags can't say so, for they are those of every
// process that shares it.
class Target {
 public:
  // A terminal takes less than it says it is ready for, so it is opened once more. (Of another user
  // it can't be: then the last bytes before it is full may wait.)
  explicit Target(int fd) noexcept : fd_(fd) {
    if (::isatty(fd) != 1) return;
    char path[32];
    std::snprintf(path, sizeof path, "/dev/fd/%d", fd);
    terminal_.reset(::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  }
  int fd() const noexcept { return fd_; }
  bool is_file() const noexcept {
    struct stat about{};
    return ::fstat(fd_, &about) == 0 && S_ISREG(about.st_mode);
  }
  // write(2), but for EAGAIN where it would wait for a reader.
  ssize_t write(bool file, std::string_view text) const noexcept {
    if (file) return ::write(fd_, text.data(), text.size());
    if (terminal_ && ::isatty(fd_) == 1) return ::write(terminal_.get(), text.data(), text.size());
    text = text.substr(0, piece);
#ifdef RWF_NOWAIT
    const iovec part{const_cast<char*>(text.data()), text.size()};
    const ssize_t count = ::pwritev2(fd_, &part, 1, -1, RWF_NOWAIT);
    if (count >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return count;
#endif
    if (ready(0)) return ::write(fd_, text.data(), text.size());  // all pipes before Linux 6.4
    errno = EAGAIN;
    return -1;
  }
  bool ready(int timeout_ms) const noexcept {
    pollfd entry{fd_, POLLOUT, 0};
    return ::poll(&entry, 1, timeout_ms) > 0;
  }

 private:
  const int fd_;
  UniqueFd terminal_;
};

struct Entry {
  std::string text;
  std::uint64_t lines;  // that it stands for: 1, or the missing ones that it counts
};
using Entries = std::deque<Entry>;

struct Progress {
  std::size_t bytes = 0;  // of the entries that are written and gone
  bool waits = false;     // for the reader; false with entries left: an error
};

// `begun`: bytes of the first entry that are written already.
Progress write_entries(const Target& target, Entries& from, std::size_t& begun) noexcept {
  const bool file = target.is_file();
  QuietSignals quiet;
  Progress progress;
  while (!from.empty()) {
    const std::string_view rest = std::string_view(from.front().text).substr(begun);
    const ssize_t count = target.write(file, rest);
    if (count < 0) {
      if (errno == EINTR) continue;
      quiet.failed_with(errno);
      progress.waits = errno == EAGAIN;
      return progress;
    }
    begun += static_cast<std::size_t>(count);
    if (begun < from.front().text.size()) continue;
    begun = 0;
    progress.bytes += from.front().text.size();
    from.pop_front();
  }
  return progress;
}

}  // namespace

struct LineLog::State {
  State(int descriptor, Layout how, Writer by)
      : target(descriptor), layout(std::move(how)), writer(by) {
    if (writer == Writer::thread) give_up.emplace();
  }
  void put(LogLine line);
  void add(std::string text, std::uint64_t lines);
  void add_note();
  void forget(Entries& gone) noexcept;
  void forget_parent() noexcept;
  void drain();
  void drain_to_the_end() noexcept;
  void run() noexcept;
  bool write_out(Entries batch, std::unique_lock<std::mutex>& lock) noexcept;
  void end_thread();

  const Target target;
  const Layout layout;
  const Writer writer;
  mutable std::mutex mutex;
  Entries entries;
  std::size_t begun = 0;      // bytes of the first that are written; Writer::caller
  std::size_t bytes = 0;      // of the entries, and of those that the thread has taken
  std::uint64_t missing = 0;  // lines
  pid_t owner = ::getpid();

  Thread thread;
  std::condition_variable changed;
  bool ending = false, ended = false;
  std::optional<Wakeup> give_up;
};

// --- with the lock ---

// Once lines are missing the next ones come when half of the room is free, so that a log that is
// always full does not count every other line.
void LineLog::State::put(LogLine line) {
  std::string text = layout(line);
  if (missing > 0 ? bytes > limit / 2 : bytes + text.size() > limit) {
    ++missing;
    return;
  }
  add_note();
  add(std::move(text), 1);
}

void LineLog::State::add(std::string text, std::uint64_t lines) {
  const std::size_t size = text.size();
  entries.push_back({std::move(text), lines});
  bytes += size;
}

void LineLog::State::add_note() {
  if (missing == 0) return;
  const std::string note =
      missing == 1 ? "1 line is missing here" : std::to_string(missing) + " lines are missing here";
  add(layout({note, LogLevel::warning}), missing);
  missing = 0;
}

void LineLog::State::forget(Entries& gone) noexcept {
  for (const Entry& entry : gone) {
    missing += entry.lines;
    bytes -= entry.text.size();
  }
  gone.clear();
}

// A child of fork(2) has a copy of what its parent will write.
void LineLog::State::forget_parent() noexcept {
  const pid_t self = ::getpid();
  if (std::exchange(owner, self) == self) return;
  entries.clear();
  begun = bytes = missing = 0;
}

// Writer::caller: writes what can be written now.
void LineLog::State::drain() {
  for (;;) {
    const Progress progress = write_entries(target, entries, begun);
    bytes -= progress.bytes;
    if (progress.waits) return;
    if (!entries.empty()) {
      begun = 0;
      return forget(entries);
    }
    if (missing == 0) return;
    add_note();
  }
}

void LineLog::State::drain_to_the_end() noexcept try {
  const std::lock_guard lock(mutex);
  forget_parent();
  const Deadline until = deadline_after(monotonic_now(), patience);
  for (drain(); !entries.empty(); drain()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - monotonic_now());
    if (left.count() <= 0) return;
    (void)target.ready(static_cast<int>(left.count()));
  }
  // NOLINTNEXTLINE(bugprone-empty-catch): no memory for the last note
} catch (...) {
}

// --- Writer::thread ---

void LineLog::State::run() noexcept {
  name_thread("log");
  const SignalsBlocked blocked;
  std::unique_lock lock(mutex);
  bool failed = false;  // a note would fail too: it comes before the next line
  for (;;) {
    if (entries.empty() && !failed) {
      try {
        add_note();
      } catch (...) {  // no memory: the next line is another try
        failed = true;
      }
    }
    changed.wait(lock, [this] { return ending || !entries.empty(); });
    if (entries.empty()) break;
    failed = !write_out(std::exchange(entries, {}), lock);
  }
  ended = true;
  changed.notify_all();
}

bool LineLog::State::write_out(Entries batch, std::unique_lock<std::mutex>& lock) noexcept {
  lock.unlock();
  std::size_t first = 0, written = 0;
  for (bool goes_on = true; goes_on;) {
    const Progress progress = write_entries(target, batch, first);
    written += progress.bytes;
    if (!progress.waits) break;
    pollfd both[] = {{target.fd(), POLLOUT, 0}, {give_up->fd(), POLLIN, 0}};
    goes_on = ::poll(both, 2, -1) < 0 || both[1].revents == 0;
  }
  lock.lock();
  bytes -= written;
  const bool all = batch.empty();
  forget(batch);
  return all;
}

void LineLog::State::end_thread() {
  std::unique_lock lock(mutex);
  ending = true;
  changed.notify_all();
  const auto is_over = [this] { return ended; };
  if (!changed.wait_for(lock, patience, is_over)) {
    give_up->signal();
    changed.wait_for(lock, patience, is_over);
  }
  lock.unlock();
  if (ended) return thread.join();
  thread.detach();  // it sits in write(2), where a file system hangs
}

LineLog::LineLog(int fd, Layout layout, Writer writer)
    : state_(std::make_shared<State>(fd, std::move(layout), writer)) {
  if (writer == Writer::thread) state_->thread = Thread([state = state_] { state->run(); });
}

LineLog::~LineLog() {
  state_->writer == Writer::thread ? state_->end_thread() : state_->drain_to_the_end();
}

void LineLog::write(LogLine line) noexcept {
  const std::lock_guard lock(state_->mutex);
  if (state_->writer == Writer::caller) state_->forget_parent();
  const bool idle = state_->entries.empty();
  try {
    state_->put(line);
    if (state_->writer == Writer::caller) state_->drain();
  } catch (...) {  // no memory
    ++state_->missing;
  }
  if (idle && state_->writer == Writer::thread) state_->changed.notify_one();
}

std::uint64_t LineLog::missing() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->missing;
}

void write_to_stderr(std::string_view text) noexcept {
  try {
    LineLog(STDERR_FILENO, [](std::string_view line) { return std::string(line); }).write(text);
  } catch (...) {  // no memory: it is lost
    return;
  }
}

void write_exception_to_stderr(std::string_view source) noexcept {
  const auto write = [&](const char* what) {
    write_to_stderr(std::string(source).append(": ").append(what).append("\n"));
  };
  try {
    try {
      throw;
    } catch (const std::exception& error) {
      write(error.what());
    } catch (...) {
      write("an exception of unknown type");
    }
  } catch (...) {  // no memory for the words
    return;
  }
}

}  // namespace polyio::os
