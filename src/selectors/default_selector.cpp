#include <cerrno>
#include <polyio/selectors/epoll_selector.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <system_error>

namespace polyio {

std::unique_ptr<Selector> default_selector() {
  try {
    return std::make_unique<EpollSelector>();
  } catch (const std::system_error& error) {
    // Only where epoll is denied: out of descriptors, poll would soon be too, and slower until
    // then.
    if (error.code().value() != ENOSYS && error.code().value() != EPERM) throw;
    return std::make_unique<PollSelector>();
  }
}

}  // namespace polyio
