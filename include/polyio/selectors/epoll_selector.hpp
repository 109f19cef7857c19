// EpollSelector: Selector over epoll(7), level- or edge-triggered. Descriptors are registered with
// the kernel once and a wait costs only what is ready: O(ready). Waits with epoll_pwait2(2), to the
// nanosecond, or where that is missing with epoll_wait(2), rounded up to the millisecond.
#pragma once

#include <sys/epoll.h>

#include <polyio/os/unique_fd.hpp>
#include <polyio/selectors/selector.hpp>
#include <vector>

namespace polyio {

class EpollSelector final : public Selector {
 public:
  // Throws std::system_error when the kernel gives no epoll descriptor (epoll_create1(2)).
  explicit EpollSelector(Trigger trigger = Trigger::level);

 private:
  int arm(int fd, Record& record, Events events) override;
  int arm_exclusive(int fd, Record& record) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;
  int control(int epoll, int operation, int fd, const Record& record, Events events) noexcept;
  int wait_for(epoll_event* out, int capacity, const std::timespec* timeout) noexcept;
  int rebuild() noexcept;

  // Record::mark is the generation of the fd number: it goes to the kernel with the fd, so that an
  // event of an old registration is recognised as stale.
  os::UniqueFd epoll_;
  std::vector<int> exclusive_;
  bool has_pwait2_ = true;  // until the kernel denies it
};

}  // namespace polyio
