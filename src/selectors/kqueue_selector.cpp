#include <polyio/selectors/kqueue_selector.hpp>

#if __has_include(<sys/event.h>)
#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace polyio {
namespace {

// Longer ones are refused (EINVAL): itimerfix() of FreeBSD and macOS. Three years.
constexpr std::timespec longest_wait{.tv_sec = 100'000'000, .tv_nsec = 0};

constexpr std::array<std::pair<Events, std::int16_t>, 2> filters{
    {{event_read, EVFILT_READ}, {event_write, EVFILT_WRITE}}};

}  // namespace

KqueueSelector::KqueueSelector(Trigger trigger)
    : Selector(trigger == Trigger::edge ? "kqueue-et" : "kqueue", trigger),
      queue_(::kqueue()),
      kernel_events_(64) {
  if (!queue_) throw std::system_error(errno, std::generic_category(), "kqueue");
}

// Adds before it deletes, in one call; 0 or the errno value of the first that could not be added.
// That nothing was there to delete is no error: the fd was closed, or closed and used again.
int KqueueSelector::change(int fd, Events added, Events deleted) noexcept {
  const auto edge = static_cast<std::uint16_t>(trigger() == Trigger::edge ? EV_CLEAR : 0);
  std::array<struct kevent, 4> changes;
  int count = 0;
  const auto append = [&](Events which, int flags) {
    for (const auto& [event, filter] : filters) {
      if ((which & event) == 0) continue;
      // With EV_RECEIPT each change is answered, and the call waits for nothing.
      EV_SET(&changes[static_cast<std::size_t>(count++)], static_cast<std::uintptr_t>(fd), filter,
             static_cast<std::uint16_t>(flags | EV_RECEIPT), 0, 0, nullptr);
    }
  };
  append(added, EV_ADD | edge);
  append(deleted, EV_DELETE);
  const int answered =
      ::kevent(queue_.get(), changes.data(), count, changes.data(), count, nullptr);
  if (answered < 0) return errno;
  for (const struct kevent& answer : std::span(changes).first(static_cast<std::size_t>(answered))) {
    const bool wanted = (added & (answer.filter == EVFILT_READ ? event_read : event_write)) != 0;
    if (!wanted || answer.data == 0) continue;
    // Which of the errors says that a file can't be waited for is different on each system.
    const bool unfit = answer.data == EINVAL || answer.data == ENODEV || answer.data == ENOTSUP;
    return unfit ? EPERM : static_cast<int>(answer.data);
  }
  return 0;
}

int KqueueSelector::arm(int fd, Record&, Events events) {
  // Here, so that waits don't allocate.
  if (kernel_events_.size() < 2 * (size() + 1)) kernel_events_.resize(4 * (size() + 1));
  const int error = change(fd, events, 0);
  if (error != 0) change(fd, 0, events);  // one direction may have been taken
  return error;
}

int KqueueSelector::rearm(int fd, Record& record, Events events) {
  const int error = change(fd, events, record.events & ~events);
  if (error != 0) change(fd, record.events, events & ~record.events);
  return error;
}

void KqueueSelector::disarm(int fd, Record& record) noexcept { change(fd, 0, record.events); }

Result<std::size_t> KqueueSelector::wait(std::span<SelectorEvent> out,
                                         const std::timespec* timeout) {
  const bool cut = timeout && timeout->tv_sec >= longest_wait.tv_sec;
  const auto room = static_cast<int>(std::min(out.size(), kernel_events_.size()));
  const int count = ::kevent(queue_.get(), nullptr, 0, kernel_events_.data(), room,
                             cut ? &longest_wait : timeout);
  if (count < 0) return fail(errno);
  std::size_t reported = 0;
  for (const struct kevent& from :
       std::span(kernel_events_).first(static_cast<std::size_t>(count))) {
    const int fd = static_cast<int>(from.ident);
    Record* const record = find(fd);
    if (!record) continue;
    const Events ready = from.filter == EVFILT_READ ? event_read : event_write;
    // The two directions of an fd are one event.
    if (record->mark < reported && out[record->mark].key.fd == fd) {
      out[record->mark].mask |= ready & record->events;
    } else {
      record->mark = static_cast<std::uint32_t>(reported);
      out[reported++] = event_of(fd, *record, ready);
    }
  }
  if (reported == 0 && (cut || count > 0)) return fail(EAGAIN);  // not over yet
  return reported;
}

void KqueueSelector::release() noexcept {
  queue_.reset();
  kernel_events_ = {};
}

}  // namespace polyio
#endif
