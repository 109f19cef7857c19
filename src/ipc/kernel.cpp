#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <new>
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

constinit std::atomic<std::uint32_t> mark_in_memory{0};

// Before Linux 4.14, or with no memory: fork(3) at least is noticed.
std::atomic<std::uint32_t>* make_mark() noexcept {
  constexpr std::size_t size = 4096;  // a page at least
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    if (::madvise(page, size, MADV_WIPEONFORK) == 0) return new (page) std::atomic<std::uint32_t>;
    ::munmap(page, size);
  }
  ::pthread_atfork(nullptr, nullptr, [] { mark_in_memory = 0; });
  return &mark_in_memory;
}

}  // namespace

constinit thread_local ThreadSelf thread_self;
constinit std::atomic<std::atomic<std::uint32_t>*> process_mark{&mark_in_memory};

std::uint32_t SharedKernel::ask_self() noexcept {
  // A forked child's only thread has a new number; its robust list is at the same place.
  static std::atomic<std::uint32_t>* const mark = make_mark();
  RobustList* list = nullptr;
  std::size_t size = 0;
  const long result = ::syscall(SYS_get_robust_list, 0, &list, &size);
  // This is glibc's list, and RobustWord's layout relies on its distance from an entry to its word.
  POLYIO_ASSERT(result == 0 && list && size == sizeof *list && list->offset == -32);
  thread_self.list = list;
  thread_self.held = 0;  // a forked child begins with an empty one
  thread_self.id = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  mark->store(1);
  process_mark.store(mark);
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

bool ThreadKernel::has_ended(std::uint32_t thread) noexcept {
  return ::syscall(SYS_tgkill, ::getpid(), thread, 0) != 0 && errno == ESRCH;
}

bool ThreadKernel::sleep(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                         Deadline deadline) noexcept {
  return wait_on(word, expected, deadline, FUTEX_PRIVATE_FLAG);
}

void ThreadKernel::wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  wake_on(word, count, FUTEX_PRIVATE_FLAG);
}

}  // namespace polyio::ipc
