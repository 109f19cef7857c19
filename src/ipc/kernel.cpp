#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <polyio/base/assert.hpp>
#include <polyio/base/timespec.hpp>
#include <polyio/ipc/kernel.hpp>

namespace polyio::ipc {
namespace {

// An absolute time on CLOCK_MONOTONIC: a FUTEX_WAIT's span would start anew at every EINTR.
bool wait_on(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline,
             int flags) noexcept {
  timespec until{};
  if (deadline != never) {
    until = to_timespec(std::max(deadline.time_since_epoch(), Nanoseconds(0)));
  }
  const long result =
      ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | flags, expected,
                deadline == never ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return result != 0 && errno == ETIMEDOUT;
}

void wake_on(const std::atomic<std::uint32_t>& word, int count, int flags) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE | flags, count);
}

}  // namespace

constinit thread_local ThreadSelf thread_self;

std::uint32_t SharedKernel::ask_self() noexcept {
  // A forked child's only thread has a new number; its robust list is at the same place.
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { thread_self.id = 0; });
  RobustList* list = nullptr;
  std::size_t size = 0;
  const long result = ::syscall(SYS_get_robust_list, 0, &list, &size);
  // This is glibc's list, and RobustWord's layout relies on its distance from an entry to its word.
  POLYIO_ASSERT(result == 0 && list && size == sizeof *list && list->offset == -32);
  thread_self.list = list;
  thread_self.id = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  return thread_self.id;
}

bool SharedKernel::sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                         Deadline deadline) noexcept {
  const Deadline slice = deadline_after(now(), recheck_every);
  return wait_on(word, expected, std::min(deadline, slice), 0) && now() >= deadline;
}

void SharedKernel::wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  wake_on(word, count, 0);
}

bool ThreadKernel::sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                         Deadline deadline) noexcept {
  return wait_on(word, expected, deadline, FUTEX_PRIVATE_FLAG);
}

void ThreadKernel::wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  wake_on(word, count, FUTEX_PRIVATE_FLAG);
}

}  // namespace polyio::ipc
