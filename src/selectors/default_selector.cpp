#include <cerrno>
#include <polyio/selectors/poll_selector.hpp>
#include <system_error>

#if __has_include(<sys/epoll.h>)
#include <polyio/selectors/epoll_selector.hpp>
#elif __has_include(<sys/event.h>)
#include <polyio/selectors/kqueue_selector.hpp>
#else
#include <polyio/selectors/devpoll_selector.hpp>
#endif

namespace polyio {
namespace {

// A system has one of them.
#if __has_include(<sys/epoll.h>)
using Best = EpollSelector;
#elif __has_include(<sys/event.h>)
using Best = KqueueSelector;
#else
using Best = DevpollSelector;
#endif

}  // namespace

std::unique_ptr<Selector> default_selector() {
  try {
    return std::make_unique<Best>();
  } catch (const std::system_error& error) {
    // Only where it is denied: out of descriptors, poll would soon be too, and slower until then.
    if (error.code().value() != ENOSYS && error.code().value() != EPERM) throw;
    return std::make_unique<PollSelector>();
  }
}

}  // namespace polyio
