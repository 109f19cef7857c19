#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <polyio/selectors/signal_selector.hpp>
#include <system_error>

#include "poll_bits.hpp"
#include "real_time_signals.hpp"

namespace polyio {
namespace {

// A wait takes no more signals than these, or than it has room for events: the callers get their
// turn.
constexpr std::size_t signals_per_wait = 1024;
// poll(2) takes no more than RLIMIT_NOFILE.
constexpr std::size_t most_per_poll = 1024;
constexpr std::timespec no_time{};

// How often SIGIO was taken in this thread. All its selectors have to look: it doesn't say whose
// queue overflowed, and only one of them takes it.
thread_local std::uint32_t overflows_here = 0;

sigset_t set_of(int signal) noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::sigaddset(&set, SIGIO);
  return set;
}

// poll(2) makes every socket signal when there is space to write again, except a Unix stream
// socket: that one does after a send that met EAGAIN since O_ASYNC was set. So: a send that has
// nothing it could send. EFAULT: there is space by now.
bool has_space_after_all(int fd) noexcept {
  // What can't be found out counts as yes: a look too many is better than a lost edge.
  const auto may_be = [fd](int option, int wanted) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0) return errno != ENOTSOCK;
    return value == wanted;
  };
  if (!may_be(SO_DOMAIN, AF_UNIX) || !may_be(SO_TYPE, SOCK_STREAM)) return false;
  // By syscall(2), as sanitizers would read the byte that isn't there.
  ::syscall(SYS_sendto, fd, nullptr, 1, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
  return errno != EAGAIN;
}

// 0 or an errno value. EINTR comes even of a poll that doesn't wait, and then nothing was said.
int poll_now(std::vector<pollfd>& entries) noexcept {
  while (::poll(entries.data(), entries.size(), 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

SignalSelector::SignalSelector()
    : Selector("sigio", Trigger::edge), signal_(take_real_time_signal()) {
  if (signal_ > 0) return;
  throw std::system_error(EAGAIN, std::generic_category(),
                          "SignalSelector: every real-time signal is in use");
}

void SignalSelector::make_room() {
  if (look_.capacity() >= 2 * (size() + 1)) return;
  const std::size_t room = std::max<std::size_t>(64, 4 * (size() + 1));
  polled_.reserve(room);
  look_.reserve(room);
}

int SignalSelector::arm_shared(int fd, Record&) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  make_room();
  if (!signals_) {
    const sigset_t set = set_of(signal_);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return errno;
    shared_.push_back({signals_.get(), POLLIN, 0});
  }
  shared_.push_back({fd, POLLIN, 0});
  return 0;
}

int SignalSelector::arm(int fd, Record& record, Events) {
  make_room();
  enter_thread();
  if (int error = own(fd)) return error;
  look_at(fd, record);
  return 0;
}

int SignalSelector::rearm(int fd, Record& record, Events) {
  enter_thread();
  if (int error = own(fd)) return error;
  look_at(fd, record);
  return 0;
}

void SignalSelector::disarm(int fd, Record& record) noexcept {
  if (record.mark != 0) look_[record.mark - 1] = -1;
  record.mark = 0;
  const auto shared = std::ranges::find_if(
      shared_, [fd](const pollfd& entry) { return entry.fd == fd || entry.fd == ~fd; });
  if (shared == shared_.end()) return disown(fd);
  *shared = shared_.back();
  shared_.pop_back();
}

// 0 or an errno value.
int SignalSelector::own(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  // Set already: by this selector, or under another fd of the same file. The kernel notes the fd
  // only when the flag changes.
  if ((flags & O_ASYNC) != 0) ::fcntl(fd, F_SETFL, flags & ~O_ASYNC);
  const f_owner_ex owner{F_OWNER_TID, ::gettid()};
  if (::fcntl(fd, F_SETSIG, signal_) < 0 || ::fcntl(fd, F_SETOWN_EX, &owner) < 0 ||
      ::fcntl(fd, F_SETFL, flags | O_ASYNC) < 0) {
    return errno;
  }
  // Files that send no signals take the flag without a word, and don't keep it.
  const int now = ::fcntl(fd, F_GETFL);
  if (now >= 0 && (now & O_ASYNC) != 0) return 0;
  ::fcntl(fd, F_SETSIG, 0);
  return EPERM;
}

// Leaves an fd alone that was closed, or closed and used again for another file.
void SignalSelector::disown(int fd) noexcept {
  if (::fcntl(fd, F_GETSIG) != signal_) return;
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_ASYNC);
  ::fcntl(fd, F_SETSIG, 0);
}

void SignalSelector::enter_thread() noexcept {
  const pid_t self = ::gettid();
  if (self == thread_) return;
  thread_ = self;
  const sigset_t blocked = set_of(signal_);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);  // before anything can be sent here
  overflows_ = overflows_here;
  const f_owner_ex owner{F_OWNER_TID, self};
  bool all = true;
  for_each([&](int fd, Record& record) {
    const int signal = ::fcntl(fd, F_GETSIG);
    const bool ours = signal == signal_;
    if (ours ? ::fcntl(fd, F_SETOWN_EX, &owner) < 0 : signal < 0) all &= errno == EBADF;  // closed
    look_at(fd, record);  // what was sent to the other thread is lost
  });
  if (!all) thread_ = 0;  // the next wait tries again, and this one finds something to look at
}

void SignalSelector::look_at(int fd, Record& record) noexcept {
  if (record.mark != 0) return;
  if (look_.size() == look_.capacity()) {  // close the gaps
    look_.erase(look_.begin(), look_.begin() + static_cast<std::ptrdiff_t>(begin_));
    std::erase(look_, -1);
    begin_ = 0;
    for (std::size_t i = 0; i < look_.size(); ++i) {
      find(look_[i])->mark = static_cast<std::uint32_t>(i + 1);
    }
  }
  look_.push_back(fd);
  record.mark = static_cast<std::uint32_t>(look_.size());
}

void SignalSelector::look_at_everything() noexcept {
  for_each([this](int fd, Record& record) { look_at(fd, record); });
}

// Waits for a signal or for a shared file, and looks at those that are ready; 0 or an errno value.
int SignalSelector::look_at_shared(const std::timespec* timeout) noexcept {
  if (::ppoll(shared_.data(), shared_.size(), timeout, nullptr) < 0) return errno;
  for (pollfd& entry : std::span(shared_).subspan(1)) {
    if (entry.revents == 0) continue;
    if (entry.revents & POLLNVAL) {
      entry.fd = ~entry.fd;  // closed: or every wait would end at once
    } else {
      look_at(entry.fd, *find(entry.fd));
    }
  }
  return 0;
}

// Takes at most `most` of what is queued, waiting for the first as long as `timeout`; 0 or an errno
// value.
int SignalSelector::collect(const std::timespec* timeout, std::size_t most) noexcept {
  const sigset_t set = set_of(signal_);
  siginfo_t info;
  for (std::size_t taken = 0; taken < most; ++taken) {
    const int signal = ::sigtimedwait(&set, &info, taken == 0 ? timeout : &no_time);
    if (signal < 0) return taken == 0 ? errno : 0;
    if (signal == SIGIO) {
      ++overflows_here;
    } else if (Record* record = find(info.si_fd)) {
      look_at(info.si_fd, *record);
    }
  }
  return 0;
}

Result<std::size_t> SignalSelector::wait(std::span<SelectorEvent> out,
                                         const std::timespec* timeout) {
  enter_thread();
  bool something = begin_ < look_.size() || overflows_ != overflows_here;
  if (shared_.size() > 1) {
    const int failed = look_at_shared(something ? &no_time : timeout);
    if (failed != 0 && !something) return fail(failed);
    timeout = &no_time;
    something = something || begin_ < look_.size();
  }
  const int error = collect(something ? &no_time : timeout, std::max(out.size(), signals_per_wait));
  if (error != 0 && !something) {
    if (error == EAGAIN) return 0;  // the time is over
    return fail(error);
  }
  if (overflows_ != overflows_here) {
    overflows_ = overflows_here;
    look_at_everything();
  }
  return tell(out);
}

// Looks until `out` is full or everything was looked at.
Result<std::size_t> SignalSelector::tell(std::span<SelectorEvent> out) noexcept {
  std::size_t reported = 0;
  while (reported < out.size() && begin_ < look_.size()) {
    polled_.clear();
    const std::size_t room = std::min(out.size() - reported, most_per_poll);
    for (; polled_.size() < room && begin_ < look_.size(); ++begin_) {
      const int fd = look_[begin_];
      if (fd < 0) continue;
      Record& record = *find(fd);
      record.mark = 0;
      polled_.push_back({fd, static_cast<short>(to_poll(record.events)), 0});
    }
    if (int error = poll_now(polled_)) {
      for (const pollfd& entry : polled_) look_at(entry.fd, *find(entry.fd));
      if (reported == 0) return fail(error);
      return reported;
    }
    for (const pollfd& entry : polled_) {
      auto bits = static_cast<std::uint32_t>(entry.revents);
      const Record& record = *find(entry.fd);
      const bool wants_space = (record.events & event_write) != 0;
      if (wants_space && (bits & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) == 0 &&
          has_space_after_all(entry.fd)) {
        bits |= POLLOUT;
      }
      if ((bits & ~std::uint32_t{POLLNVAL}) == 0) continue;
      out[reported++] = event_of(entry.fd, record, from_poll(bits));
    }
  }
  if (begin_ == look_.size()) look_.clear(), begin_ = 0;
  if (reported == 0) return fail(EAGAIN);
  return reported;
}

void SignalSelector::release() noexcept {
  for_each([this](int fd, Record&) { disown(fd); });
  if (thread_ == ::gettid()) {  // another thread's queue is out of reach; its number stays ignored
    const sigset_t set = set_of(signal_);
    for (int signal; (signal = ::sigtimedwait(&set, nullptr, &no_time)) > 0;) {
      if (signal == SIGIO) ++overflows_here;
    }
  }
  give_back_real_time_signal(signal_);
  signal_ = 0;
  look_ = {};
  polled_ = {};
  shared_ = {};
  signals_.reset();
}

}  // namespace polyio
