// BusySelector: Selector that asks the kernel nothing: every select() tells everything registered
// as ready for what was asked, at once. An event is a hint only: the caller makes its non-blocking
// call, and EAGAIN says that it wasn't so. This is polling, for comparison and for what no kernel
// can wait for. Without an interval it burns a core, O(registered) calls a round; with an interval
// of T it sleeps between rounds and so tells of what begins U(0, T) late.
#pragma once

#include <polyio/selectors/selector.hpp>

namespace polyio {

class BusySelector final : public Selector {
 public:
  // `interval`: the least time from the beginning of one round to that of the next, 0 for none. A
  // select() that is over before then tells nothing.
  explicit BusySelector(Nanoseconds interval = {}) noexcept
      : Selector("nonblocking", Trigger::level), interval_(interval) {}

 private:
  int arm(int fd, Record& record, Events events) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;
  Result<bool> sleep_until_due(const std::timespec* timeout) noexcept;

  // Record::mark is the index here. An fd found closed is kept as its complement, and silent.
  std::vector<int> fds_;
  std::size_t open_ = 0;  // those that aren't
  std::size_t next_ = 0;  // where the round goes on; 0: the next one begins
  Nanoseconds interval_;
  TimePoint due_{};  // when the next round may begin
};

}  // namespace polyio
