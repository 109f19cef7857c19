#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <polyio/base/timespec.hpp>
#include <polyio/selectors/busy_selector.hpp>

namespace polyio {
namespace {

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

// Sleeps; 0, or EINTR when a signal was handled.
int sleep_for(const std::timespec* time) noexcept {
  return ::ppoll(nullptr, 0, time, nullptr) < 0 ? errno : 0;
}

}  // namespace

int BusySelector::arm(int fd, Record& record, Events) {
  if (!is_open(fd)) return EBADF;
  fds_.push_back(fd);
  record.mark = static_cast<std::uint32_t>(fds_.size() - 1);
  ++open_;
  return 0;
}

int BusySelector::rearm(int fd, Record& record, Events) {
  if (!is_open(fd)) return EBADF;
  if (fds_[record.mark] < 0) ++open_;
  fds_[record.mark] = fd;
  return 0;
}

void BusySelector::disarm(int, Record& record) noexcept {
  if (fds_[record.mark] >= 0) --open_;
  const int last = fds_.back();
  fds_[record.mark] = last;
  find(last < 0 ? ~last : last)->mark = record.mark;
  fds_.pop_back();
}

// False when `timeout` is over first.
Result<bool> BusySelector::sleep_until_due(const std::timespec* timeout) noexcept {
  const TimePoint now = monotonic_now();
  if (now < due_) {
    const Nanoseconds rest = due_ - now;
    const std::timespec until_due = to_timespec(rest);
    const bool cut =
        timeout && (timeout->tv_sec < until_due.tv_sec ||
                    (timeout->tv_sec == until_due.tv_sec && timeout->tv_nsec < until_due.tv_nsec));
    if (int error = sleep_for(cut ? timeout : &until_due)) return fail(error);
    if (cut) return false;
  }
  due_ = deadline_after(monotonic_now(), interval_);
  return true;
}

Result<std::size_t> BusySelector::wait(std::span<SelectorEvent> out, const std::timespec* timeout) {
  if (open_ == 0) {  // no descriptor to try: a wait like any other
    if (int error = sleep_for(timeout)) return fail(error);
    return 0;
  }
  if (next_ >= fds_.size()) next_ = 0;
  if (next_ == 0 && interval_ > Nanoseconds()) {
    auto due = sleep_until_due(timeout);
    if (!due) return fail(due.error());
    if (!*due) return 0;
  }
  std::size_t reported = 0;
  for (; next_ < fds_.size() && reported < out.size(); ++next_) {
    int& fd = fds_[next_];
    if (fd < 0) continue;
    if (is_open(fd)) {
      const Record& record = *find(fd);
      out[reported++] = event_of(fd, record, record.events);
    } else {
      fd = ~fd;
      --open_;
    }
  }
  if (reported == 0) return fail(EAGAIN);
  return reported;
}

void BusySelector::release() noexcept { fds_ = {}; }

}  // namespace polyio
