#include "name_lock.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace polyio::ipc {
namespace {

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
};

Name address_of(std::string_view name) noexcept {
  Name made;
  made.address.sun_family = AF_UNIX;
  char* const path = made.address.sun_path;  // its first byte stays 0: abstract
  const int length =
      std::snprintf(path + 1, sizeof made.address.sun_path - 1, "polyio-shm-%u-%.*s",
                    static_cast<unsigned>(::geteuid()), static_cast<int>(name.size()), name.data());
  made.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)) + 1u + static_cast<socklen_t>(length);
  return made;
}

os::UniqueFd make_socket() noexcept {
  return os::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Waits until the owner lets go, or for a moment. A connection that is never accepted ends with its
// listening socket, so its end means that the lock is free.
Result<> wait_for_owner(const Name& name) noexcept {
  constexpr int moment = 20;  // ms: the owner does not listen yet, or too many wait
  const os::UniqueFd waiter = make_socket();
  if (!waiter) return fail(errno);
  if (::connect(waiter.get(), name.get(), name.size) != 0) {
    ::poll(nullptr, 0, 1);
    return {};
  }
  ucred owner{};
  socklen_t size = sizeof owner;
  if (::getsockopt(waiter.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0 &&
      owner.uid != ::geteuid()) {
    return fail(EACCES);
  }
  pollfd ended{waiter.get(), POLLIN, 0};
  ::poll(&ended, 1, moment);
  return {};
}

}  // namespace

Result<NameLock> NameLock::take(std::string_view name, Deadline deadline) {
  os::UniqueFd socket = make_socket();
  if (!socket) return fail(errno);
  const Name address = address_of(name);
  for (;;) {
    if (::bind(socket.get(), address.get(), address.size) == 0) {
      // Only wakes waiters at once: without it they look again after a while.
      (void)::listen(socket.get(), 64);
      return NameLock(std::move(socket));
    }
    if (errno != EADDRINUSE) return fail(errno);
    if (monotonic_now() >= deadline) return fail(EBUSY);
    if (auto waited = wait_for_owner(address); !waited) return fail(waited.error());
  }
}

}  // namespace polyio::ipc
