// SelectSelector: Selector over pselect(2), for comparison and for systems with nothing else. Only
// fds below FD_SETSIZE (1024): a larger one would be written past the end of the set, so it is
// refused with EOVERFLOW, "Value too large for defined data type". Each wait copies the sets and
// scans them up to the largest fd, here and in the kernel: O(largest fd). Tells no event_hang_up
// and no event_error.
#pragma once

#include <sys/select.h>

#include <polyio/selectors/selector.hpp>

namespace polyio {

class SelectSelector final : public Selector {
 public:
  SelectSelector() noexcept;
  int max_descriptor() const noexcept override { return FD_SETSIZE - 1; }

 private:
  int arm(int fd, Record& record, Events events) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;
  void drop_closed() noexcept;
  void drop(int fd) noexcept;

  fd_set read_, write_;  // what to ask for; the kernel gets copies, it overwrites them
  int limit_ = 0;        // one past the largest fd in the sets: select(2)'s nfds
  int next_ = 0;         // where to look first, so that a small `out` starves no fd
};

}  // namespace polyio
