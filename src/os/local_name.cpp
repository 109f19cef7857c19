#include "local_name.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/os/socket.hpp>
#include <polyio/os/unique_fd.hpp>
#include <string>

namespace polyio::os {
namespace {

// The file's path; empty for an abstract name, an unnamed socket and other families.
std::string path_of(const Address& address) {
  if (address.family() != AF_UNIX) return {};
  std::string path = address.path();
  return path.starts_with('@') ? std::string() : path;
}

// Held from checking whether the name is in use until it is bound, so that of two processes that
// both find it stale the later one can't remove what the other has just bound. A lock on the
// directory leaves no file behind. It is never held for long; a process that can't open the
// directory goes on without it.
UniqueFd lock_directory(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == path.npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int tries = 0; fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && tries < 1000; ++tries) {
    ::usleep(1000);
  }
  return fd;
}

// Whether the name is bound: connect(2) says ECONNREFUSED where it is not. A listener sees a
// connection come and go.
bool in_use(const Address& address, int type) {
  const UniqueFd probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  if (::connect(probe.get(), address.data(), address.size()) == 0) return true;
  if (errno == EPROTOTYPE && type == SOCK_STREAM) return in_use(address, SOCK_DGRAM);
  return errno != ECONNREFUSED && errno != ENOENT;
}

Result<> remove_unless_used(const Address& address, const std::string& path, int type) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode) || in_use(address, type)) return fail(EADDRINUSE);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(errno);
  return {};
}

// `calls` are made under the lock, listen(2) too: until then the name looks stale to others.
template <class Calls>
Result<> bind_socket(int type, const Address& address, Calls calls) {
  const std::string path = path_of(address);
  const UniqueFd lock = path.empty() ? UniqueFd() : lock_directory(path);
  if (!path.empty()) {
    if (auto removed = remove_unless_used(address, path, type); !removed) return removed;
  }
  if (!calls()) return fail(errno);
  return {};
}

}  // namespace

Result<> bind_stream(int fd, const Address& address, int backlog) {
  return bind_socket(SOCK_STREAM, address, [&] {
    return ::bind(fd, address.data(), address.size()) == 0 && ::listen(fd, backlog) == 0;
  });
}

Result<> bind_datagram(int fd, const Address& address) {
  return bind_socket(SOCK_DGRAM, address,
                     [&] { return ::bind(fd, address.data(), address.size()) == 0; });
}

Result<> remove_stale_socket(const Address& address) {
  const std::string path = path_of(address);
  if (path.empty()) return {};
  const UniqueFd lock = lock_directory(path);
  return remove_unless_used(address, path, SOCK_STREAM);
}

}  // namespace polyio::os
