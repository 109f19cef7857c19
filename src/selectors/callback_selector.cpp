#include <array>
#include <cerrno>
#include <new>
#include <polyio/selectors/callback_selector.hpp>
#include <utility>

namespace polyio {

Result<> CallbackSelector::register_fd(int fd, Events events, Callback callback) {
  auto shared = std::make_shared<Callback>(std::move(callback));
  auto key = selector_->register_fd(fd, events, tokens_ + 1);
  if (!key) return fail(key.error());
  const auto index = static_cast<std::size_t>(fd);
  try {
    if (index >= entries_.size()) entries_.resize(index + 1);
  } catch (const std::bad_alloc&) {
    (void)selector_->unregister(fd);
    return fail(ENOMEM);
  }
  entries_[index] = {++tokens_, std::move(shared)};
  return {};
}

Result<> CallbackSelector::modify(int fd, Events events) {
  auto key = selector_->get_key(fd);
  if (key) key = selector_->modify(fd, events, key->data);
  if (!key) return fail(key.error());
  return {};
}

Result<> CallbackSelector::unregister(int fd) {
  auto key = selector_->unregister(fd);
  if (!key) return fail(key.error());
  entries_[static_cast<std::size_t>(fd)] = {};
  return {};
}

Result<std::size_t> CallbackSelector::select(Timeout timeout) {
  std::array<SelectorEvent, 64> events;  // on the stack: a callback may call select() too
  auto reported = selector_->select(events, timeout);
  if (!reported) return reported;
  std::size_t called = 0;
  for (const SelectorEvent& event : std::span(events).first(*reported)) {
    const Entry entry = entries_[static_cast<std::size_t>(event.key.fd)];  // outlives unregister()
    if (entry.token != event.key.data) continue;
    (*entry.callback)(event.key.fd, event.mask);
    ++called;
  }
  return called;
}

}  // namespace polyio
