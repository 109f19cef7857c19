// PollSelector: Selector over ppoll(2). No limit on the fd's number; every wait hands the kernel
// the whole array and scans it: O(registered). The array is kept between waits; unregister() moves
// its last entry into the gap.
#pragma once

#include <poll.h>

#include <polyio/selectors/selector.hpp>

namespace polyio {

class PollSelector final : public Selector {
 public:
  PollSelector() noexcept : Selector("poll", Trigger::level) {}

 private:
  int arm(int fd, Record& record, Events events) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;

  // Record::mark is the index here. An fd found closed (POLLNVAL) is kept as its complement:
  // poll(2) skips negative ones.
  std::vector<pollfd> fds_;
  std::size_t next_ = 0;  // where to look first, so that a small `out` starves no fd
};

}  // namespace polyio
