// An emulation of /dev/poll (poll(7D)) over poll(2): a set of (descriptor, what is asked) that
// stays between the calls. Writing an entry for a descriptor in the set adds to what is asked of
// it; only POLLREMOVE takes it out, and so it does for one that is closed. A closed descriptor
// comes back as POLLNVAL each time; one that was closed and used again is the new file's. What does
// not fit comes with the next calls, which go on where this one stopped.
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <selectors/devpoll_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace {

struct Device {
  std::vector<pollfd> set;
  std::size_t next = 0;
};

std::mutex mutex;
std::map<int, std::shared_ptr<Device>> devices;  // a closed one until the number is used again

std::shared_ptr<Device> find_device(int fd) {
  const std::lock_guard lock(mutex);
  const auto found = devices.find(fd);
  return found == devices.end() ? nullptr : found->second;
}

int fail_with(int error) {
  errno = error;
  return -1;
}

}  // namespace

namespace polyio::devpoll {

int open_device() noexcept {
  const int fd = ::eventfd(0, EFD_CLOEXEC);  // a number, no more
  if (fd < 0) return -1;
  const std::lock_guard lock(mutex);
  devices[fd] = std::make_shared<Device>();
  return fd;
}

ssize_t write_entries(int device, const pollfd* entries, std::size_t count) noexcept {
  const auto found = find_device(device);
  if (!found) return fail_with(EBADF);
  auto& set = found->set;
  for (const pollfd& entry : std::vector(entries, entries + count)) {
    const auto old = std::ranges::find(set, entry.fd, &pollfd::fd);
    if ((entry.events & POLLREMOVE) != 0) {
      if (old != set.end()) set.erase(old);
    } else if (old != set.end()) {
      old->events = static_cast<short>(old->events | entry.events);
    } else {
      set.push_back(entry);
    }
  }
  return static_cast<ssize_t>(count * sizeof(pollfd));
}

int poll_device(int device, dvpoll* request) noexcept {
  const auto found = find_device(device);
  if (!found) return fail_with(EBADF);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (request->dp_nfds > limit.rlim_cur) return fail_with(EINVAL);
  auto& set = found->set;
  int ready = ::poll(set.data(), set.size(), request->dp_timeout);
  if (ready <= 0) return ready;
  nfds_t told = 0;
  std::size_t at = found->next;
  for (; ready > 0 && told < request->dp_nfds; ++at) {
    if (at >= set.size()) at = 0;
    if (set[at].revents == 0) continue;
    --ready;
    request->dp_fds[told++] = set[at];
  }
  found->next = at;
  return static_cast<int>(told);
}

}  // namespace polyio::devpoll
