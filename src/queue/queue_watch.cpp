#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <polyio/base/timespec.hpp>
#include <polyio/ipc/kernel.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/thread.hpp>
#include <polyio/queue/queue_watch.hpp>
#include <system_error>

namespace polyio::ipc {

class QueueWatcher {
 public:
  static QueueWatcher& of_program() {
    static QueueWatcher& watcher = *new QueueWatcher;  // its thread uses it to the very end
    return watcher;
  }
  std::mutex& mutex() noexcept { return mutex_; }
  // Under the mutex.
  Result<> begin(QueueWatch& watch) {
    if (!running_) {
      try {
        os::Thread([this] { serve(); }).detach();
      } catch (const std::exception&) {
        return fail(EAGAIN);
      }
      running_ = true;
    }
    watches_.push_back(watch);
    changed_.fetch_add(1);
    ThreadKernel::wake(changed_, 1);
    return {};
  }

 private:
  // A word to sleep on, and how many of its waiters may still be woken.
  struct Place {
    const std::atomic<std::uint32_t>* word;
    std::uint32_t ready;
  };
  static constexpr std::size_t most = 127;  // queues; FUTEX_WAITV_MAX is 128, one word is ours

  void serve() {
    os::name_thread("queue-watcher");
    const os::SignalsBlocked blocked;  // they are for the program's own threads
    std::unique_lock lock(mutex_);
    for (;;) {
      const std::uint32_t before = changed_.load();
      look();
      lock.unlock();
      sleep(before);
      lock.lock();
    }
  }
  // Under the lock. The word is armed before it is checked, so every put from here on wakes us.
  void look() noexcept {
    count_ = 0;
    more_ = false;
    QueueWatch* next = nullptr;
    for (QueueWatch* watch = watches_.front(); watch; watch = next) {
      next = watches_.next(*watch);
      Place* const place = place_of(*watch);
      std::uint32_t alone = 0;
      std::uint32_t& ready = place ? place->ready : (alone = watch->ready());
      if (ready == 0) continue;
      --ready;
      watch->unlink();
      watch->woken();
    }
  }
  // nullptr: no more queues can be slept on.
  Place* place_of(QueueWatch& watch) noexcept {
    const std::atomic<std::uint32_t>& word = watch.arm();
    const auto end = places_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto found =
        std::find_if(places_.begin(), end, [&](const Place& place) { return place.word == &word; });
    if (found != end) return &*found;
    if (count_ == most) {
      more_ = true;
      return nullptr;
    }
    futex_waitv& wait = waits_[count_ + 1];
    wait = {};
    wait.val = 1;
    wait.uaddr = reinterpret_cast<std::uintptr_t>(&word);
    wait.flags = FUTEX_32 | (watch.is_private() ? FUTEX_PRIVATE_FLAG : 0);
    places_[count_] = {&word, watch.ready()};
    return &places_[count_++];
  }
  void sleep(std::uint32_t before) noexcept {
    waits_[0] = {};
    waits_[0].val = before;
    waits_[0].uaddr = reinterpret_cast<std::uintptr_t>(&changed_);
    waits_[0].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
    // Queues that could not be slept on are polled every millisecond.
    const Nanoseconds span = more_ ? Nanoseconds(std::chrono::milliseconds(1)) : recheck_every;
    timespec at = to_timespec(deadline_after(monotonic_now(), span).time_since_epoch());
    const bool timed = count_ > 0 || more_;
    const long result = ::syscall(SYS_futex_waitv, waits_.data(), count_ + 1, 0,
                                  timed ? &at : nullptr, CLOCK_MONOTONIC);
    if (result >= 0 || errno == EAGAIN || errno == ETIMEDOUT || errno == EINTR) return;
    // Before Linux 5.16, or where it is forbidden, all are polled every millisecond.
    const auto soon = deadline_after(monotonic_now(), std::chrono::milliseconds(1));
    ThreadKernel::sleep(changed_, before, count_ > 0 ? soon : never);
  }

  std::mutex mutex_;
  List<QueueWatch, QueueWatchTag> watches_;
  bool running_ = false;
  std::atomic<std::uint32_t> changed_{0};
  // The thread's own.
  std::array<Place, most> places_{};
  std::array<futex_waitv, most + 1> waits_{};
  std::size_t count_ = 0;
  bool more_ = false;
};

std::mutex& QueueWatch::mutex() noexcept { return QueueWatcher::of_program().mutex(); }
Result<> QueueWatch::begin() { return QueueWatcher::of_program().begin(*this); }

}  // namespace polyio::ipc
