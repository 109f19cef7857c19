// KqueueSelector: Selector over kqueue(2) of macOS and the BSDs, level- or edge-triggered
// (EV_CLEAR). The two directions of a descriptor are two entries of the queue, (fd, EVFILT_READ)
// and (fd, EVFILT_WRITE), registered once; a wait costs only what is ready: O(ready). It is one
// kevent(2), to the nanosecond, which returns as many entries as `out` has room for; the two of a
// descriptor become one event, and when the second no longer fits the next call has it. The kernel
// forgets the entries of a descriptor that is closed. A hang-up or an error (EV_EOF) comes as
// readiness of the direction it concerns: no event_hang_up, no event_error, since a peer that only
// finished sending looks the same to the reader. A queue does not survive fork(2): make a new one
// in the child. On other systems this header declares the name only.
#pragma once

#if __has_include(<sys/event.h>)
#include <sys/event.h>

#include <polyio/os/unique_fd.hpp>
#include <polyio/selectors/selector.hpp>

namespace polyio {

class KqueueSelector final : public Selector {
 public:
  // Throws std::system_error when the kernel gives no queue (kqueue(2)).
  explicit KqueueSelector(Trigger trigger = Trigger::level);

 private:
  int arm(int fd, Record& record, Events events) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;
  int change(int fd, Events added, Events deleted) noexcept;

  // Record::mark is the place of the fd in the latest batch that had it.
  os::UniqueFd queue_;
  std::vector<struct kevent> kernel_events_;  // room for both directions of everything
};

}  // namespace polyio

#else
namespace polyio {
class KqueueSelector;
}
#endif
