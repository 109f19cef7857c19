#include <algorithm>
#include <cerrno>
#include <cstring>
#include <polyio/selectors/epoll_selector.hpp>
#include <system_error>

#include "poll_bits.hpp"
#include "wait_time.hpp"

namespace polyio {
namespace {

// What the kernel hands back with an event: the fd below, the generation of its number above.
std::uint64_t pack(int fd, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

}  // namespace

EpollSelector::EpollSelector(Trigger trigger)
    : Selector(trigger == Trigger::edge ? "epoll-et" : "epoll", trigger),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

int EpollSelector::control(int epoll, int operation, int fd, const Record& record,
                           Events events) noexcept {
  epoll_event event{};
  event.events = to_poll(events) | (trigger() == Trigger::edge ? EPOLLET : 0u);
  if (std::ranges::find(exclusive_, fd) != exclusive_.end()) event.events |= EPOLLEXCLUSIVE;
  event.data.u64 = pack(fd, record.mark);
  return ::epoll_ctl(epoll, operation, fd, &event) == 0 ? 0 : errno;
}

int EpollSelector::arm(int fd, Record& record, Events events) {
  ++record.mark;
  return control(epoll_.get(), EPOLL_CTL_ADD, fd, record, events);
}

int EpollSelector::arm_exclusive(int fd, Record& record) {
  exclusive_.push_back(fd);
  const int error = arm(fd, record, event_read);
  if (error) exclusive_.pop_back();
  return error;
}

int EpollSelector::rearm(int fd, Record& record, Events events) {
  const int error = control(epoll_.get(), EPOLL_CTL_MOD, fd, record, events);
  // ENOENT: the fd was closed and its number used again. The new file gets a generation of its own.
  return error == ENOENT ? arm(fd, record, events) : error;
}

void EpollSelector::disarm(int fd, Record& record) noexcept {
  // Fails when the fd was closed; a duplicate may then keep the kernel telling it: see wait().
  control(epoll_.get(), EPOLL_CTL_DEL, fd, record, 0);
  std::erase(exclusive_, fd);
}

int EpollSelector::wait_for(epoll_event* out, int capacity, const std::timespec* timeout) noexcept {
  if (has_pwait2_) {
    const int count = ::epoll_pwait2(epoll_.get(), out, capacity, timeout, nullptr);
    // Linux before 5.11, or a sandbox that doesn't know the call.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2_ = false;
  }
  const int limit = milliseconds(timeout);
  const int count = ::epoll_wait(epoll_.get(), out, capacity, limit);
  if (count != 0 || limit != longest_wait_ms) return count;
  errno = EAGAIN;  // not over yet
  return -1;
}

Result<std::size_t> EpollSelector::wait(std::span<SelectorEvent> out,
                                        const std::timespec* timeout) {
  // The kernel's events, which are smaller, are put into the caller's array and unpacked from the
  // last to the first: no buffer of our own, and none is overwritten before it is read.
  static_assert(sizeof(epoll_event) <= sizeof(SelectorEvent) &&
                alignof(epoll_event) <= alignof(SelectorEvent));
  auto* packed = reinterpret_cast<std::byte*>(out.data());
  const int capacity = static_cast<int>(std::min<std::size_t>(out.size(), 1u << 20));
  const int count = wait_for(reinterpret_cast<epoll_event*>(packed), capacity, timeout);
  if (count < 0) return fail(errno);
  bool stale = false;
  for (auto i = static_cast<std::size_t>(count); i-- > 0;) {
    epoll_event from;
    std::memcpy(&from, packed + i * sizeof from, sizeof from);
    const int fd = static_cast<int>(from.data.u64 & UINT32_MAX);
    const Record* record = find(fd);
    const bool current = record && pack(fd, record->mark) == from.data.u64;
    out[i] = current ? event_of(fd, *record, from_poll(from.events)) : SelectorEvent{};
    stale |= !current;
  }
  if (!stale) return static_cast<std::size_t>(count);
  auto* end = std::remove_if(out.data(), out.data() + count,
                             [](const SelectorEvent& event) { return event.key.fd < 0; });
  const auto reported = static_cast<std::size_t>(end - out.data());
  if (int error = rebuild(); error != 0 && reported == 0) return fail(error);
  if (reported == 0) return fail(EAGAIN);
  return reported;
}

// A registration whose fd was closed while a duplicate keeps its file open can't be taken out of an
// epoll set any more and would end every wait. So: a new set with what is registered now.
int EpollSelector::rebuild() noexcept {
  os::UniqueFd fresh(::epoll_create1(EPOLL_CLOEXEC));
  if (!fresh) return errno;
  // An fd that fails is closed by now; it stays registered, and silent.
  for_each([&](int fd, const Record& record) {
    control(fresh.get(), EPOLL_CTL_ADD, fd, record, record.events);
  });
  epoll_ = std::move(fresh);
  return 0;
}

void EpollSelector::release() noexcept { epoll_.reset(); }

}  // namespace polyio
