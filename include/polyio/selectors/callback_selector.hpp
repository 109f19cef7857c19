// CallbackSelector: a Selector whose data is a function to call, the way Python programs use
// `key.data` for their accept and read callbacks. The rule it keeps: a callback may register,
// modify, unregister and close what it likes, itself included; an event collected for a
// registration that has gone by then is dropped, even if its fd number is registered again. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <polyio/selectors/selector.hpp>
#include <utility>
#include <vector>

namespace polyio {

class CallbackSelector {
 public:
  // `mask` is SelectorEvent::mask.
  using Callback = std::move_only_function<void(int fd, Events mask)>;

  explicit CallbackSelector(std::unique_ptr<Selector> selector = default_selector()) noexcept
      : selector_(std::move(selector)) {}

  // Selector::register_fd() with `callback`, which lives until unregister(), or until it returns if
  // it unregisters itself.
  Result<> register_fd(int fd, Events events, Callback callback);
  // Changes what is waited for and keeps the callback. Errors: those of Selector::modify().
  Result<> modify(int fd, Events events);
  // Errors: those of Selector::unregister().
  Result<> unregister(int fd);

  // One Selector::select(), then the callbacks of what was ready, at most 64; returns how many were
  // called. May be called from a callback. A callback's exception passes through, and the rest of
  // the batch is told again if level-triggered, lost if edge-triggered.
  Result<std::size_t> select(Timeout timeout = std::nullopt);

  std::size_t size() const noexcept { return selector_->size(); }

 private:
  struct Entry {
    std::uint64_t token = 0;  // the registration's, never used twice: SelectorEvent::key.data
    std::shared_ptr<Callback> callback;
  };

  std::unique_ptr<Selector> selector_;
  std::vector<Entry> entries_;  // by fd
  std::uint64_t tokens_ = 0;
};

}  // namespace polyio
