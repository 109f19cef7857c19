// DevpollSelector: Selector over /dev/poll of Solaris (poll(7D)). The kernel keeps the set of
// descriptors and what is asked of each; writing an entry adds to what is asked of it already, so
// one is removed before it is asked for less. A wait (DP_POLL) costs only what is ready. A
// descriptor that is closed stays in the set until it is removed, and comes back as POLLNVAL.
// Waits count in milliseconds and are rounded up. On other systems this header declares the name
// only.
#pragma once

#if defined(__sun) || defined(POLYIO_EMULATE_DEVPOLL)
#include <polyio/os/unique_fd.hpp>
#include <polyio/selectors/selector.hpp>

namespace polyio {

class DevpollSelector final : public Selector {
 public:
  // Throws std::system_error when /dev/poll can't be opened.
  DevpollSelector();

 private:
  int arm(int fd, Record& record, Events events) override;
  int rearm(int fd, Record& record, Events events) override;
  void disarm(int fd, Record& record) noexcept override;
  Result<std::size_t> wait(std::span<SelectorEvent> out, const std::timespec* timeout) override;
  void release() noexcept override;
  int ask(int fd, Events events) noexcept;

  os::UniqueFd device_;
};

}  // namespace polyio

#else
namespace polyio {
class DevpollSelector;
}
#endif
