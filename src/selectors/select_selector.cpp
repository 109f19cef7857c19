#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <polyio/selectors/select_selector.hpp>

namespace polyio {
namespace {

void assign(fd_set& set, int fd, bool member) noexcept {
  if (member) {
    FD_SET(fd, &set);
  } else {
    FD_CLR(fd, &set);
  }
}

}  // namespace

SelectSelector::SelectSelector() noexcept : Selector("select", Trigger::level) {
  FD_ZERO(&read_);
  FD_ZERO(&write_);
}

int SelectSelector::arm(int fd, Record& record, Events events) {
  if (fd > max_descriptor()) return EOVERFLOW;
  return rearm(fd, record, events);
}

int SelectSelector::rearm(int fd, Record&, Events events) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  assign(read_, fd, events & event_read);
  assign(write_, fd, events & event_write);
  limit_ = std::max(limit_, fd + 1);
  return 0;
}

void SelectSelector::disarm(int fd, Record&) noexcept { drop(fd); }

void SelectSelector::drop(int fd) noexcept {
  FD_CLR(fd, &read_);
  FD_CLR(fd, &write_);
  while (limit_ > 0 && !FD_ISSET(limit_ - 1, &read_) && !FD_ISSET(limit_ - 1, &write_)) --limit_;
}

// Takes closed fds out of the sets; they stay registered.
void SelectSelector::drop_closed() noexcept {
  for (int fd = limit_ - 1; fd >= 0; --fd) {
    const bool asked = FD_ISSET(fd, &read_) || FD_ISSET(fd, &write_);
    if (asked && ::fcntl(fd, F_GETFD) < 0) drop(fd);
  }
}

Result<std::size_t> SelectSelector::wait(std::span<SelectorEvent> out,
                                         const std::timespec* timeout) {
  fd_set readable = read_, writable = write_;
  int ready = ::pselect(limit_, &readable, &writable, nullptr, timeout, nullptr);
  if (ready < 0 && errno == EBADF) {
    drop_closed();
    return fail(EAGAIN);
  }
  if (ready < 0) return fail(errno);
  std::size_t reported = 0;
  int fd = next_ < limit_ ? next_ : 0;
  while (ready > 0 && reported < out.size()) {
    const bool can_read = FD_ISSET(fd, &readable), can_write = FD_ISSET(fd, &writable);
    const Events mask = (can_read ? event_read : 0) | (can_write ? event_write : 0);
    if (mask != 0) out[reported++] = event_of(fd, *find(fd), mask);
    ready -= int(can_read) + int(can_write);  // select(2) counts bits, not descriptors
    fd = fd + 1 < limit_ ? fd + 1 : 0;
  }
  next_ = fd;
  return reported;
}

void SelectSelector::release() noexcept {
  FD_ZERO(&read_);
  FD_ZERO(&write_);
  limit_ = 0;
}

}  // namespace polyio
