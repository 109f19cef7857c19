#include <polyio/selectors/devpoll_selector.hpp>

#if defined(__sun) || defined(POLYIO_EMULATE_DEVPOLL)
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "devpoll_calls.hpp"
#include "poll_bits.hpp"
#include "wait_time.hpp"

namespace polyio {

DevpollSelector::DevpollSelector()
    : Selector("devpoll", Trigger::level), device_(devpoll::open_device()) {
  if (!device_) throw std::system_error(errno, std::generic_category(), "/dev/poll");
}

// Asks for exactly `events`; for none it forgets the fd. What was written before is still there,
// also of a file that had the number once, and would be added to. 0 or an errno value.
int DevpollSelector::ask(int fd, Events events) noexcept {
  const std::array<pollfd, 2> entries{
      {{fd, POLLREMOVE, 0}, {fd, static_cast<short>(to_poll(events)), 0}}};
  const std::size_t count = events != 0 ? 2 : 1;
  return devpoll::write_entries(device_.get(), entries.data(), count) < 0 ? errno : 0;
}

int DevpollSelector::arm(int fd, Record&, Events events) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  return ask(fd, events);
}

int DevpollSelector::rearm(int fd, Record&, Events events) {
  if (::fcntl(fd, F_GETFD) < 0) return EBADF;
  return ask(fd, events);
}

void DevpollSelector::disarm(int fd, Record&) noexcept { ask(fd, 0); }

Result<std::size_t> DevpollSelector::wait(std::span<SelectorEvent> out,
                                          const std::timespec* timeout) {
  // As epoll's: the entries are put into the caller's array and unpacked from the last to the
  // first.
  static_assert(sizeof(pollfd) <= sizeof(SelectorEvent) &&
                alignof(pollfd) <= alignof(SelectorEvent));
  auto* const packed = reinterpret_cast<std::byte*>(out.data());
  const int limit = milliseconds(timeout);
  dvpoll request{};
  request.dp_fds = reinterpret_cast<pollfd*>(packed);
  request.dp_nfds = std::clamp<std::size_t>(size(), 1, out.size());  // more than there are: EINVAL
  request.dp_timeout = limit;
  const int count = devpoll::poll_device(device_.get(), &request);
  if (count < 0) return fail(errno);
  if (count == 0 && limit == longest_wait_ms) return fail(EAGAIN);  // not over yet
  std::size_t reported = 0;
  for (auto i = static_cast<std::size_t>(count); i-- > 0;) {
    pollfd from;
    std::memcpy(&from, packed + i * sizeof from, sizeof from);
    const Record* const record = find(from.fd);
    if (record && (from.revents & POLLNVAL) == 0) {
      out[i] = event_of(from.fd, *record, from_poll(static_cast<std::uint32_t>(from.revents)));
      ++reported;
    } else {
      ask(from.fd, 0);  // closed: it would end every wait
      out[i] = SelectorEvent{};
    }
  }
  if (reported < static_cast<std::size_t>(count)) {
    (void)std::remove_if(out.data(), out.data() + count,
                         [](const SelectorEvent& event) { return event.key.fd < 0; });
    if (reported == 0) return fail(EAGAIN);
  }
  return reported;
}

void DevpollSelector::release() noexcept { device_.reset(); }

}  // namespace polyio
#endif
