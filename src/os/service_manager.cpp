#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdlib>
#include <polyio/base/clock.hpp>
#include <polyio/os/address.hpp>
#include <polyio/os/service_manager.hpp>
#include <polyio/os/unique_fd.hpp>

namespace polyio::os {

Result<bool> notify_service_manager(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe)
  if (!name || !*name) return false;
  if (*name != '/' && *name != '@') return fail(EINVAL);
  const auto address = Address::parse(std::string("unix:") + name);
  if (!address) return std::unexpected(address.error());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval second{.tv_sec = 1, .tv_usec = 0};
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) != 0) {
    return fail(errno);
  }
  while (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, address->data(),
                  address->size()) < 0) {
    if (errno != EINTR) return fail(errno);
  }
  return true;
}

std::string reloading_state() {
  return fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     monotonic_now().time_since_epoch() / std::chrono::microseconds(1));
}

}  // namespace polyio::os
