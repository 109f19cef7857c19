// The bits of poll(2), which are those of epoll_ctl(2) too, and ours.
#pragma once

#include <poll.h>
#if __has_include(<sys/epoll.h>)
#include <sys/epoll.h>
#endif

#include <polyio/selectors/selector.hpp>

namespace polyio {

#if __has_include(<sys/epoll.h>)
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLHUP == EPOLLHUP &&
              POLLERR == EPOLLERR);
#endif

constexpr std::uint32_t to_poll(Events events) noexcept {
  return ((events & event_read) != 0 ? POLLIN : 0u) | ((events & event_write) != 0 ? POLLOUT : 0u);
}

constexpr Events from_poll(std::uint32_t bits) noexcept {
  return ((bits & POLLIN) != 0 ? event_read : 0) | ((bits & POLLOUT) != 0 ? event_write : 0) |
         ((bits & POLLHUP) != 0 ? event_hang_up : 0) | ((bits & POLLERR) != 0 ? event_error : 0);
}

}  // namespace polyio
