#include <fcntl.h>

#include <cerrno>
#include <polyio/selectors/poll_selector.hpp>

#include "poll_bits.hpp"

namespace polyio {

int PollSelector::arm(int fd, Record& record, Events events) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  fds_.push_back({fd, static_cast<short>(to_poll(events)), 0});
  record.mark = static_cast<std::uint32_t>(fds_.size() - 1);
  return 0;
}

int PollSelector::rearm(int fd, Record& record, Events events) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  fds_[record.mark] = {fd, static_cast<short>(to_poll(events)), 0};
  return 0;
}

void PollSelector::disarm(int, Record& record) noexcept {
  const pollfd last = fds_.back();
  fds_[record.mark] = last;
  find(last.fd < 0 ? ~last.fd : last.fd)->mark = record.mark;
  fds_.pop_back();
}

Result<std::size_t> PollSelector::wait(std::span<SelectorEvent> out, const std::timespec* timeout) {
  int ready = ::ppoll(fds_.data(), fds_.size(), timeout, nullptr);
  if (ready < 0) return fail(errno);
  if (ready == 0) return 0;
  std::size_t reported = 0;
  std::size_t at = next_ < fds_.size() ? next_ : 0;
  while (ready > 0 && reported < out.size()) {
    pollfd& entry = fds_[at];
    at = at + 1 < fds_.size() ? at + 1 : 0;
    if (entry.revents == 0) continue;
    --ready;
    if ((entry.revents & POLLNVAL) != 0) {
      entry.fd = ~entry.fd;  // closed: or every wait would end at once
      continue;
    }
    const auto bits = static_cast<std::uint32_t>(entry.revents);
    out[reported++] = event_of(entry.fd, *find(entry.fd), from_poll(bits));
  }
  next_ = at;
  if (reported == 0) return fail(EAGAIN);
  return reported;
}

void PollSelector::release() noexcept { fds_ = {}; }

}  // namespace polyio
