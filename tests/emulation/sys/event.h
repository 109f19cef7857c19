// What <sys/event.h> of macOS and the BSDs declares, as far as KqueueSelector uses it: names and
// meanings are those of kqueue(2), the numbers macOS'. Only for the tests: kqueue.cpp beside it is
// the mechanism.
#pragma once

#include <cstdint>
#include <ctime>

struct kevent {
  std::uintptr_t ident;
  std::int16_t filter;
  std::uint16_t flags;
  std::uint32_t fflags;
  std::intptr_t data;
  void* udata;
};

inline constexpr std::int16_t EVFILT_READ = -1;
inline constexpr std::int16_t EVFILT_WRITE = -2;

inline constexpr std::uint16_t EV_ADD = 0x0001;
inline constexpr std::uint16_t EV_DELETE = 0x0002;
inline constexpr std::uint16_t EV_ENABLE = 0x0004;
inline constexpr std::uint16_t EV_DISABLE = 0x0008;
inline constexpr std::uint16_t EV_ONESHOT = 0x0010;
inline constexpr std::uint16_t EV_CLEAR = 0x0020;
inline constexpr std::uint16_t EV_RECEIPT = 0x0040;
inline constexpr std::uint16_t EV_ERROR = 0x4000;
inline constexpr std::uint16_t EV_EOF = 0x8000;

inline void EV_SET(struct kevent* event, std::uintptr_t ident, std::int16_t filter,
                   std::uint16_t flags, std::uint32_t fflags, std::intptr_t data, void* udata) {
  *event = {ident, filter, flags, fflags, data, udata};
}

int kqueue() noexcept;
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const std::timespec* timeout) noexcept;
