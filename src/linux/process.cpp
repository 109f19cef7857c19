#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <polyio/base/sanitizers.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/os/signals.hpp>
#include <string_view>
#include <system_error>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace polyio::os {
namespace {

std::system_error last_error(const char* what) { return {errno, std::generic_category(), what}; }

// What a child is before its body runs. The mask has everything blocked.
void begin_child(pid_t parent, const sigset_t& mask_before) {
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::kill(::getpid(), SIGTERM);  // it died before that: no signal comes
  sigset_t mask = mask_before;
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGQUIT);
  sigaddset(&mask, SIGUSR1);
  sigdelset(&mask, SIGINT);
  sigdelset(&mask, SIGHUP);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

int run_body(std::move_only_function<int()>& body) noexcept {
  try {
    return body();
  } catch (...) {
    return 70;  // EX_SOFTWARE of sysexits(3)
  }
}

// A thread that fork(2) may ignore: io_uring's workers, which the kernel keeps in the task list.
bool harmless(const char* task) noexcept {
  char path[280], name[4] = "";
  std::snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  return file && ::read(file.get(), name, sizeof name) == 4 &&
         std::string_view(name, sizeof name) == "iou-";
}

// By C's calls, which need no C++ memory: a fork is refused for other reasons.
std::size_t count_tasks() noexcept {
  std::size_t count = 0;
  DIR* const tasks = ::opendir("/proc/self/task");
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is ours alone
  while (const dirent* const entry = tasks ? ::readdir(tasks) : nullptr) {
    if (entry->d_name[0] == '.') continue;
    // The first one is ours; what the others are is asked only when there are any.
    if (count == 0 || !harmless(entry->d_name)) ++count;
  }
  if (tasks) ::closedir(tasks);
  // TSan has a thread of its own, and sees to fork(2) itself.
  return std::max<std::size_t>(count, 1) - (POLYIO_TSAN && count > 1 ? 1 : 0);
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal == 0) return "ended with code " + std::to_string(code);
  const char* const name = ::sigdescr_np(signal);
  return "was killed by signal " + std::to_string(signal) + " (" + (name ? name : "?") + ")";
}

void ChildProcess::signal(int number) const noexcept {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0) return;
  // A sandbox may deny that call. The number is the child's own until it is reaped.
  if (pidfd_ && errno != ESRCH) ::kill(pid_, number);
}

ExitStatus ChildProcess::wait() {
  siginfo_t info{};
  rusage used{};  // which waitid(3) of the C library does not ask for
  while (::syscall(SYS_waitid, P_PIDFD, pidfd_.get(), &info, WEXITED, &used) != 0) {
    if (errno != EINTR) return {};  // ECHILD: other code has reaped it
  }
  const auto span = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  const Nanoseconds cpu = span(used.ru_utime) + span(used.ru_stime);
  if (info.si_code == CLD_EXITED) return {info.si_status, 0, cpu};
  return {0, info.si_status, cpu};
}

Result<ChildProcess> fork_child(std::move_only_function<int()> body) {
  return fork_plain([&, parent = ::getpid()](const sigset_t& before) {
    begin_child(parent, before);
    return run_body(body);
  });
}

Result<ChildProcess> fork_plain(std::move_only_function<int(const sigset_t&)> body) {
  if (count_threads() > 1) return fail(EBUSY);
  struct sigaction children{};  // if ignored, they would be reaped unseen
  ::sigaction(SIGCHLD, nullptr, &children);
  if (children.sa_handler == SIG_IGN) ::signal(SIGCHLD, SIG_DFL);
  pid_t pid;
  {
    const SignalsBlocked blocked;
    pid = ::fork();
    if (pid == 0) ::_exit(body(blocked.before()));
    if (pid < 0) return fail(errno);
  }
  // The number is the child's own until it is reaped, which only we do.
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int reason = errno;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(reason);
  }
  return ChildProcess(pid, std::move(pidfd));
}

Result<> can_watch_children() noexcept {
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self) return fail(errno);
  return {};
}

std::size_t count_threads() noexcept {
  std::size_t count = count_tasks();
  // One that was joined just now may still be on its way out of the list.
  for (int i = 0; i < 20 && count > 1; ++i) {
    const timespec moment{0, 1'000'000};
    ::nanosleep(&moment, nullptr);
    count = count_tasks();
  }
  return count;
}

SharedPages::SharedPages(std::size_t size)
    : data_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
      size_(size) {
  if (data_ == MAP_FAILED) throw last_error("mmap");
}

SharedPages::~SharedPages() { ::munmap(data_, size_); }

SignalQueue::SignalQueue(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw last_error("signalfd");
  ::pthread_sigmask(SIG_BLOCK, &set, &mask_before_);
}

SignalQueue::~SignalQueue() { ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr); }

int SignalQueue::next() noexcept {
  signalfd_siginfo info;
  for (;;) {
    const ssize_t got = ::read(fd_.get(), &info, sizeof info);
    if (got == sizeof info) return static_cast<int>(info.ssi_signo);
    if (got >= 0 || errno != EINTR) return 0;
  }
}

}  // namespace polyio::os
