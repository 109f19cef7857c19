// An emulation of kqueue(2), built as the kernels build it. An entry (knote) is of one (descriptor,
// filter); what happens to the file *activates* it, and kevent() asks the filter again of what is
// active before it reports. A reported entry stays active, unless EV_CLEAR: then the next
// activation is awaited. Activations come from an edge-triggered epoll, which is the queue's
// descriptor too; the filters ask poll(2). Entries of a closed descriptor are forgotten; that it
// was closed is seen from its file being another. Not emulated: fflags, filters but READ and WRITE,
// that a regular file is readable only until its end.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <polyio/base/clock.hpp>

namespace {

using polyio::Nanoseconds;
using Key = std::pair<int, std::int16_t>;  // descriptor, filter

struct File {
  dev_t device = 0;
  ino_t number = 0;
  bool operator==(const File&) const = default;
};

// False: not open.
bool file_of(int fd, File& file) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return false;
  file = {status.st_dev, status.st_ino};
  return true;
}

struct Knote {
  File file;
  std::uint16_t flags = 0;
  void* udata = nullptr;
  bool enabled = true;
  bool active = false;  // and then in the queue's list
};

class Queue {
 public:
  explicit Queue(int epoll) : epoll_(epoll) {}

  int change(const struct kevent& change) {
    const int fd = static_cast<int>(change.ident);
    if (change.filter != EVFILT_READ && change.filter != EVFILT_WRITE) return EINVAL;
    File file;
    if (!file_of(fd, file)) return forget(fd), EBADF;
    forget_if_closed(fd, file);
    const Key key{fd, change.filter};
    auto found = notes_.find(key);
    if ((change.flags & EV_ADD) == 0 && found == notes_.end()) return ENOENT;
    if ((change.flags & EV_DELETE) != 0) return erase(key), 0;
    if ((change.flags & EV_ADD) != 0) {
      if (found == notes_.end()) {
        if (int error = watch(fd)) return error;
        found = notes_.emplace(key, Knote{.file = file}).first;
      }
      found->second.flags = change.flags;
      found->second.udata = change.udata;
    }
    if ((change.flags & EV_DISABLE) != 0) found->second.enabled = false;
    if ((change.flags & EV_ENABLE) != 0) found->second.enabled = true;
    activate(key, found->second);  // the filter is asked before anything is reported
    return 0;
  }

  // What is active and still true, in the order of activation.
  int collect(struct kevent* events, int room) {
    take_activations();
    int told = 0;
    for (std::size_t left = active_.size(); left > 0 && told < room; --left) {
      const Key key = active_.front();
      active_.pop_front();
      const auto found = notes_.find(key);
      if (found == notes_.end() || !found->second.active) continue;
      Knote& note = found->second;
      note.active = false;
      File file;
      if (!file_of(key.first, file) || file != note.file) {
        forget(key.first);
        continue;
      }
      struct kevent event{};
      if (!note.enabled || !ask_filter(key, event)) continue;
      event.udata = note.udata;
      events[told++] = event;
      if ((note.flags & EV_ONESHOT) != 0) {
        erase(key);
      } else if ((note.flags & EV_CLEAR) == 0) {
        activate(key, note);
      }
    }
    return told;
  }

 private:
  void activate(const Key& key, Knote& note) {
    if (note.active) return;
    note.active = true;
    active_.push_back(key);
  }

  void take_activations() {
    std::array<epoll_event, 64> edges;
    for (int count = 64; count == 64;) {
      count = ::epoll_wait(epoll_, edges.data(), 64, 0);
      for (int i = 0; i < count; ++i) {
        const int fd = edges[static_cast<std::size_t>(i)].data.fd;
        for (const std::int16_t filter : {EVFILT_READ, EVFILT_WRITE}) {
          const Key key{fd, filter};
          const auto found = notes_.find(key);
          if (found != notes_.end()) activate(key, found->second);
        }
      }
    }
  }

  // False: not so.
  static bool ask_filter(const Key& key, struct kevent& event) {
    const bool reads = key.second == EVFILT_READ;
    const short asked = reads ? POLLIN | POLLRDHUP : POLLOUT;
    pollfd entry{key.first, asked, 0};
    if (::poll(&entry, 1, 0) <= 0) return false;
    event.ident = static_cast<std::uintptr_t>(key.first);
    event.filter = key.second;
    int readable = 0;
    if (reads && ::ioctl(key.first, FIONREAD, &readable) == 0) event.data = readable;
    // With data left or without: the end is no reason to report less.
    if ((entry.revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0) event.flags |= EV_EOF;
    return true;
  }

  // 0 or an errno value. Regular files, which epoll refuses, are always active.
  int watch(int fd) const {
    epoll_event edges{};
    edges.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    edges.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &edges) == 0 || errno == EPERM) return 0;
    return errno == EEXIST ? 0 : errno;
  }

  void erase(const Key& key) {
    notes_.erase(key);
    const auto next = notes_.lower_bound({key.first, INT16_MIN});
    if (next != notes_.end() && next->first.first == key.first) return;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, key.first, nullptr);
  }

  void forget(int fd) {
    for (const std::int16_t filter : {EVFILT_READ, EVFILT_WRITE}) notes_.erase({fd, filter});
  }

  void forget_if_closed(int fd, const File& file) {
    const auto note = notes_.lower_bound({fd, INT16_MIN});
    if (note != notes_.end() && note->first.first == fd && note->second.file != file) forget(fd);
  }

  int epoll_;
  std::map<Key, Knote> notes_;
  std::deque<Key> active_;  // may name entries that are gone
};

std::mutex mutex;
std::map<int, std::shared_ptr<Queue>> queues;  // by descriptor; a closed one until it is used again

std::shared_ptr<Queue> find_queue(int fd) {
  const std::lock_guard lock(mutex);
  const auto found = queues.find(fd);
  return found == queues.end() ? nullptr : found->second;
}

int fail_with(int error) {
  errno = error;
  return -1;
}

// What is left until `deadline`; nullptr for ever.
const std::timespec* left_until(polyio::Deadline deadline, std::timespec& room) {
  if (deadline == polyio::never) return nullptr;
  const auto left = std::max(deadline - polyio::monotonic_now(), Nanoseconds());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  room = {seconds.count(), (left - seconds).count()};
  return &room;
}

}  // namespace

int kqueue() noexcept {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return -1;
  const std::lock_guard lock(mutex);
  queues[fd] = std::make_shared<Queue>(fd);
  return fd;
}

int kevent(int descriptor, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const std::timespec* timeout) noexcept {
  const auto queue = find_queue(descriptor);
  if (!queue || ::fcntl(descriptor, F_GETFD) < 0) return fail_with(EBADF);
  if (timeout && (timeout->tv_sec > 100'000'000 || timeout->tv_sec < 0)) return fail_with(EINVAL);
  int answered = 0;
  for (int i = 0; i < change_count; ++i) {
    struct kevent answer = changes[i];
    const int error = queue->change(answer);
    if (error == 0 && (answer.flags & EV_RECEIPT) == 0) continue;
    if (answered == event_count) return error == 0 ? answered : fail_with(error);
    answer.flags = EV_ERROR;
    answer.data = error;
    events[answered++] = answer;
  }
  if (answered > 0 || event_count == 0) return answered;
  const auto deadline = timeout ? polyio::deadline_after(polyio::monotonic_now(),
                                                         std::chrono::seconds(timeout->tv_sec) +
                                                             Nanoseconds(timeout->tv_nsec))
                                : polyio::never;
  for (;;) {
    if (const int told = queue->collect(events, event_count)) return told;
    std::timespec room{};
    pollfd activation{descriptor, POLLIN, 0};
    const int count = ::ppoll(&activation, 1, left_until(deadline, room), nullptr);
    if (count <= 0) return count;
  }
}
