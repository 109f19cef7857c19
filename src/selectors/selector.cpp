#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <polyio/selectors/selector.hpp>

#include "wait_time.hpp"

namespace polyio {
namespace {

constexpr Events directions = event_read | event_write;

bool valid(Events events) noexcept { return events != 0 && (events & ~directions) == 0; }

}  // namespace

Result<SelectorKey> Selector::register_fd(int fd, Events events, std::uint64_t data) {
  if (closed_) return fail(EBADF);
  if (!valid(events)) return fail(EINVAL);
  return enter(fd, events, data, With::none);
}

Result<SelectorKey> Selector::register_shared(int fd, std::uint64_t data) {
  if (closed_) return fail(EBADF);
  return enter(fd, event_read, data, With::sharers);
}

Result<SelectorKey> Selector::register_exclusive(int fd, std::uint64_t data) {
  if (closed_) return fail(EBADF);
  return enter(fd, event_read, data, With::rivals);
}

Result<SelectorKey> Selector::enter(int fd, Events events, std::uint64_t data, With others) {
  if (find(fd)) return fail(EEXIST);
  try {
    if (int error = put_in(fd, events, data, others)) return fail(error);
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }
  return SelectorKey{fd, events, data};
}

int Selector::arm_with(int fd, Record& record, Events events, With others) {
  switch (others) {
    case With::sharers: return arm_shared(fd, record);
    case With::rivals: return arm_exclusive(fd, record);
    case With::none: break;
  }
  return arm(fd, record, events);
}

int Selector::put_in(int fd, Events events, std::uint64_t data, With others) {
  if (fd < 0) return EBADF;
  const auto index = static_cast<std::size_t>(fd);
  if (index >= table_.size()) {
    // Asked before the table grows, or a wild fd would make it gigabytes.
    if (::fcntl(fd, F_GETFD) < 0) return EBADF;
    table_.resize(index + 1);
  }
  Record& record = table_[index];
  if (int error = arm_with(fd, record, events, others)) return error;
  record.events = events;
  record.data = data;
  ++size_;
  return 0;
}

Result<SelectorKey> Selector::modify(int fd, Events events, std::uint64_t data) {
  if (closed_) return fail(EBADF);
  if (!valid(events)) return fail(EINVAL);
  Record* record = find(fd);
  if (!record) return fail(ENOENT);
  if (int error = rearm(fd, *record, events)) return fail(error);
  record->events = events;
  record->data = data;
  return SelectorKey{fd, events, data};
}

Result<SelectorKey> Selector::unregister(int fd) {
  auto key = get_key(fd);
  if (!key) return key;
  Record& record = *find(fd);
  disarm(fd, record);
  record.events = 0;
  --size_;
  return key;
}

Result<std::size_t> Selector::select(std::span<SelectorEvent> out, Timeout timeout) {
  if (closed_) return fail(EBADF);
  if (out.empty()) return fail(EINVAL);
  WaitTime time(timeout);
  for (;;) {
    auto reported = wait(out, time.left());
    if (reported) return reported;
    if (reported.error() == errno_code(EINTR)) return 0;
    if (reported.error() != errno_code(EAGAIN)) return reported;
  }
}

Result<std::vector<SelectorEvent>> Selector::select(Timeout timeout) {
  // Twice: kqueue(2) counts the two directions of a descriptor, which become one event, as two.
  std::vector<SelectorEvent> events(std::max<std::size_t>(2 * size_, 1));
  auto reported = select(events, timeout);
  if (!reported) return fail(reported.error());
  events.resize(*reported);
  return events;
}

Result<SelectorKey> Selector::get_key(int fd) const {
  if (closed_) return fail(EBADF);
  const Record* record = find(fd);
  if (!record) return fail(ENOENT);
  return SelectorKey{fd, record->events, record->data};
}

Result<std::vector<SelectorKey>> Selector::get_map() const {
  if (closed_) return fail(EBADF);
  std::vector<SelectorKey> keys;
  keys.reserve(size_);
  for (std::size_t fd = 0; fd < table_.size(); ++fd) {
    const Record& record = table_[fd];
    if (record.events != 0) keys.push_back({static_cast<int>(fd), record.events, record.data});
  }
  return keys;
}

void Selector::close() noexcept {
  if (closed_) return;
  closed_ = true;
  release();
  table_ = {};
  size_ = 0;
}

}  // namespace polyio
