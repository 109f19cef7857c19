// The system calls that servers make, by number. A call that only one kind of processor has is on
// the list all the same.
#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "tracer.hpp"

namespace polyio::lab {
namespace {

struct Named {
  std::uint64_t number;
  const char* name;
};
#define CALL(name) \
  Named { SYS_##name, #name }
constexpr auto everywhere = std::to_array<Named>({CALL(accept),
                                                  CALL(accept4),
                                                  CALL(bind),
                                                  CALL(brk),
                                                  CALL(clock_gettime),
                                                  CALL(clock_nanosleep),
                                                  CALL(clone),
                                                  CALL(clone3),
                                                  CALL(close),
                                                  CALL(connect),
                                                  CALL(dup),
                                                  CALL(dup3),
                                                  CALL(epoll_create1),
                                                  CALL(epoll_ctl),
                                                  CALL(epoll_pwait),
                                                  CALL(epoll_pwait2),
                                                  CALL(eventfd2),
                                                  CALL(execve),
                                                  CALL(exit),
                                                  CALL(exit_group),
                                                  CALL(fcntl),
                                                  CALL(fstat),
                                                  CALL(futex),
                                                  CALL(getpid),
                                                  CALL(getppid),
                                                  CALL(getsockname),
                                                  CALL(getpeername),
                                                  CALL(getuid),
                                                  CALL(geteuid),
                                                  CALL(getsockopt),
                                                  CALL(gettid),
                                                  CALL(gettimeofday),
                                                  CALL(io_uring_enter),
                                                  CALL(io_uring_register),
                                                  CALL(io_uring_setup),
                                                  CALL(ioctl),
                                                  CALL(kill),
                                                  CALL(listen),
                                                  CALL(lseek),
                                                  CALL(madvise),
                                                  CALL(mmap),
                                                  CALL(mprotect),
                                                  CALL(mremap),
                                                  CALL(munmap),
                                                  CALL(nanosleep),
                                                  CALL(openat),
                                                  CALL(pidfd_open),
                                                  CALL(pidfd_send_signal),
                                                  CALL(pipe2),
                                                  CALL(ppoll),
                                                  CALL(prctl),
                                                  CALL(pread64),
                                                  CALL(preadv),
                                                  CALL(prlimit64),
                                                  CALL(pselect6),
                                                  CALL(pwrite64),
                                                  CALL(pwritev),
                                                  CALL(read),
                                                  CALL(readv),
                                                  CALL(recvfrom),
                                                  CALL(recvmmsg),
                                                  CALL(recvmsg),
                                                  CALL(restart_syscall),
                                                  CALL(rseq),
                                                  CALL(rt_sigaction),
                                                  CALL(rt_sigpending),
                                                  CALL(rt_sigprocmask),
                                                  CALL(rt_sigqueueinfo),
                                                  CALL(rt_sigreturn),
                                                  CALL(rt_sigsuspend),
                                                  CALL(rt_sigtimedwait),
                                                  CALL(rt_tgsigqueueinfo),
                                                  CALL(sched_getaffinity),
                                                  CALL(sched_setaffinity),
                                                  CALL(sched_yield),
                                                  CALL(sendmmsg),
                                                  CALL(sendmsg),
                                                  CALL(sendto),
                                                  CALL(set_robust_list),
                                                  CALL(set_tid_address),
                                                  CALL(setsockopt),
                                                  CALL(shutdown),
                                                  CALL(signalfd4),
                                                  CALL(socket),
                                                  CALL(socketpair),
                                                  CALL(tgkill),
                                                  CALL(timerfd_create),
                                                  CALL(timerfd_gettime),
                                                  CALL(timerfd_settime),
                                                  CALL(wait4),
                                                  CALL(waitid),
                                                  CALL(write),
                                                  CALL(writev)});
#if defined(__x86_64__)
constexpr auto here_only =
    std::to_array<Named>({CALL(arch_prctl), CALL(dup2), CALL(epoll_wait), CALL(fork), CALL(pause),
                          CALL(pipe), CALL(poll), CALL(select), CALL(time), CALL(vfork)});
#else
constexpr std::array<Named, 0> here_only{};
#endif
#undef CALL

}  // namespace

std::string name_of_call(std::uint64_t number) {
  const auto* const common = std::ranges::find(everywhere, number, &Named::number);
  if (common != everywhere.end()) return common->name;
  const auto* const own = std::ranges::find(here_only, number, &Named::number);
  if (own != here_only.end()) return own->name;
  return fmt::format("call {}", number);
}

}  // namespace polyio::lab
