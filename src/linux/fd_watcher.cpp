#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <polyio/linux/fd_watcher.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/thread.hpp>
#include <polyio/os/unique_fd.hpp>
#include <polyio/os/wakeup.hpp>
#include <system_error>
#include <unordered_map>

namespace polyio::os {
class FdWatcher {
 public:
  // Never destroyed: its thread may be on its way out when the program ends.
  static FdWatcher& only() {
    static FdWatcher* const watcher = new FdWatcher;
    return *watcher;
  }

  Result<> add(FdWatch& watch, int fd) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return !ending_; });
    if (!epoll_) {
      if (auto started = start(); !started) return started;
    }
    auto added = enter(watch, fd);
    if (!added) stop_if_idle(lock);
    return added;
  }

  bool remove(FdWatch& watch) noexcept {
    std::unique_lock lock(mutex_);
    if (!watch.linked()) return false;
    watch.unlink();
    const auto at = watched_.find(watch.fd_);
    if (at->second.waiting.empty()) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch.fd_, nullptr);
      watched_.erase(at);
      stop_if_idle(lock);
    }
    return true;
  }

  bool has(const FdWatch& watch) noexcept {
    const std::lock_guard lock(mutex_);
    return watch.linked();
  }

 private:
  using Waiting = List<FdWatch, FdWatchTag>;
  struct Entry {
    Waiting waiting;
    std::uint32_t turn = 0;  // tells an event from one for the number's owner before
  };

  // Under the mutex.
  Result<> start() try {
    Wakeup wake;
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail(errno);
    epoll_event event{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.fd(), &event) != 0) return fail(errno);
    const SignalsBlocked none;  // for the thread: no handler runs there
    Thread([this, fd = epoll.get()] { serve(fd); }).detach();
    epoll_ = std::move(epoll);
    wake_.emplace(std::move(wake));
    return {};
  } catch (const std::system_error& error) {
    return fail(error.code());
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }

  // Under the mutex.
  Result<> enter(FdWatch& watch, int fd) try {
    auto& at = watched_[fd];
    if (at.waiting.empty()) {
      at.turn = ++turn_;
      epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data = {}};
      event.data.u64 = std::uint64_t{at.turn} << 32 | static_cast<std::uint32_t>(fd);
      int error = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
      if (error == EEXIST) {  // to take it out had failed
        error = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
      }
      if (error) {
        watched_.erase(fd);
        return fail(error);
      }
    }
    watch.fd_ = fd;
    at.waiting.push_back(watch);
    return {};
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }

  // Waits for the thread to let go: when this returns, nothing of the watcher is open.
  void stop_if_idle(std::unique_lock<std::mutex>& lock) noexcept {
    if (!watched_.empty()) return;
    ending_ = true;
    wake_->signal();
    ended_.wait(lock, [this] { return !ending_; });
  }

  // Under the mutex, by the thread: it goes.
  void end() noexcept {
    epoll_.reset();
    wake_.reset();
    ending_ = false;
    ended_.notify_all();
  }

  void serve(int epoll) noexcept {
    name_thread("fd watcher");
    std::array<epoll_event, 64> events;
    for (;;) {
      const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
      Waiting ready;
      const std::lock_guard lock(mutex_);
      for (int i = 0; i < count; ++i) {
        const std::uint64_t event = events[static_cast<std::size_t>(i)].data.u64;
        const int fd = static_cast<int>(event & 0xffffffff);
        const auto at = watched_.find(fd);
        if (at == watched_.end() || at->second.turn != event >> 32) continue;
        ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
        ready.splice_back(at->second.waiting);
        watched_.erase(at);
      }
      const bool idle = watched_.empty() && (ending_ || !ready.empty());
      if (idle) end();  // before anybody is told, who may count descriptors
      while (FdWatch* const watch = ready.pop_front()) watch->on_ready();
      if (idle) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::uint32_t turn_ = 0;  // 0 is the wake-up's
  UniqueFd epoll_;          // open while the thread runs
  std::optional<Wakeup> wake_;
  std::unordered_map<int, Entry> watched_;
};

Result<> watch_readable(FdWatch& watch, int fd) { return FdWatcher::only().add(watch, fd); }
bool unwatch(FdWatch& watch) noexcept { return FdWatcher::only().remove(watch); }
bool is_watched(const FdWatch& watch) noexcept { return FdWatcher::only().has(watch); }

}  // namespace polyio::os
