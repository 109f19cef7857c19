#include "children.hpp"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <polyio/base/timespec.hpp>
#include <polyio/os/signals.hpp>
#include <system_error>

#include "life.hpp"
#include "lifeline.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace polyio::process::detail {
namespace {

using All = List<Child, AllTag>;
using Bucket = List<Child, BucketTag>;

// Never destroyed: a handler may run until the last instruction of the process.
struct Table {
  std::atomic_flag locked = ATOMIC_FLAG_INIT;
  All living;                        // in the order of start()
  All abandoned;                     // ended, and no Process refers to them
  std::array<Bucket, 1024> buckets;  // of the living, by pid
  struct sigaction handler_before{};
  sigset_t mask_at_fork{};
};
Table& table() {
  alignas(Table) static unsigned char room[sizeof(Table)];
  static Table* const only = new (room) Table;
  return *only;
}
// For the handler, which may not run the initialisation of a static.
Table* the_table = nullptr;

Bucket& bucket_of(pid_t pid) noexcept {
  return the_table->buckets[static_cast<std::size_t>(pid) % the_table->buckets.size()];
}

class SpinLock {
 public:
  SpinLock() noexcept {
    while (the_table->locked.test_and_set(std::memory_order_acquire)) ::sched_yield();
  }
  ~SpinLock() { the_table->locked.clear(std::memory_order_release); }
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;
};
struct Locked {
  os::SignalsBlocked blocked;
  SpinLock lock;
};

// --- under the lock ---

void close_if_done(Child& child) noexcept {
  if (!child.ended || child.watchers > 0 || child.pidfd < 0) return;
  ::close(child.pidfd);
  child.pidfd = -1;
}

// waitid(2), which never waits here.
int ask(idtype_t which, int id, siginfo_t& info, int options) noexcept {
  int answer;
  do {
    info = {};
    answer = ::waitid(which, static_cast<id_t>(id), &info, WEXITED | WNOHANG | options);
  } while (answer != 0 && errno == EINTR);
  return answer;
}

bool reap(Child& child) noexcept {
  if (child.ended) return true;
  siginfo_t info;
  if (ask(static_cast<idtype_t>(P_PIDFD), child.pidfd, info, 0) == 0) {
    if (info.si_pid == 0) return false;
    child.code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  } else {
    if (errno != ECHILD) return false;
    child.code = 255;  // other code has reaped it
  }
  child.ended = true;
  static_cast<ListNode<AllTag>&>(child).unlink();
  static_cast<ListNode<BucketTag>&>(child).unlink();
  close_if_done(child);
  if (!child.owned) the_table->abandoned.push_back(child);
  return true;
}

// Where a sandbox denies the pidfd's call: the number is the child's own until it is reaped, which
// needs the lock.
void signal_living(Child& child, int number) noexcept {
  if (child.ended) return;
  if (::syscall(SYS_pidfd_send_signal, child.pidfd, number, nullptr, 0) == 0) return;
  if (errno != ESRCH) ::kill(child.pid, number);
}

void reap_all() noexcept {
  for (Child* child = the_table->living.front(); child;) {
    Child* const next = the_table->living.next(*child);
    reap(*child);
    child = next;
  }
}

Child* find(pid_t pid) noexcept {
  Bucket& bucket = bucket_of(pid);
  for (Child* child = bucket.front(); child; child = bucket.next(*child)) {
    if (child->pid == pid) return child;
  }
  return nullptr;
}

// One signal may stand for many children. A zombie that is not ours stays in front of the others:
// then each of ours is asked.
void reap_ended(pid_t hint) noexcept {
  if (Child* const child = find(hint)) reap(*child);
  for (;;) {
    siginfo_t info;
    if (ask(P_ALL, 0, info, WNOWAIT) != 0 || info.si_pid == 0) return;
    Child* const child = find(info.si_pid);
    if (!child || !reap(*child)) return reap_all();
  }
}

// --- the handler, the end and the fork ---

void on_sigchld(int number, siginfo_t* info, void* context) {
  const int error = errno;
  {
    const SpinLock lock;  // every signal is blocked while a handler runs
    reap_ended(info ? info->si_pid : 0);
  }
  const struct sigaction& before = the_table->handler_before;
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
  }
  errno = error;
}

// A fork copies the table, so no thread may be in the middle of changing it.
void before_fork() noexcept {
  sigset_t all, mask;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mask);
  while (the_table->locked.test_and_set(std::memory_order_acquire)) ::sched_yield();
  the_table->mask_at_fork = mask;
}
void after_fork() noexcept {
  const sigset_t mask = the_table->mask_at_fork;
  the_table->locked.clear(std::memory_order_release);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}
// The parent's children are not the child's; a Process that refers to one finds out by `parent`.
void after_fork_in_child() noexcept {
  Table& all = *the_table;
  while (Child* const child = all.living.pop_front()) {
    ::close(child->pidfd);
    child->pidfd = -1;
  }
  while (all.abandoned.pop_front()) {
  }
  for (Bucket& bucket : all.buckets) {
    while (bucket.pop_front()) {
    }
  }
  close_lifeline();
  after_fork();
}

}  // namespace

void prepare_children() {
  [[maybe_unused]] static const bool once = [] {
    the_table = &table();
    at_end_of_program();
    // Last of what can fail: it must not be done twice.
    if (const int error = ::pthread_atfork(before_fork, after_fork, after_fork_in_child)) {
      throw std::system_error(error, std::generic_category(), "pthread_atfork");
    }
    struct sigaction action{};
    action.sa_sigaction = on_sigchld;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP;
    sigfillset(&action.sa_mask);
    ::sigaction(SIGCHLD, nullptr, &the_table->handler_before);
    ::sigaction(SIGCHLD, &action, nullptr);
    return true;
  }();
  // Some parents start programs with it blocked, and the mask passes through exec. A thread that
  // starts processes is there for it.
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  ::pthread_sigmask(SIG_UNBLOCK, &ended, nullptr);
}

void add_child(Child& child) noexcept {
  const Locked locked;
  the_table->living.push_back(child);
  bucket_of(child.pid).push_back(child);
  reap(child);  // its signal may have come before
}

bool has_ended(Child& child) noexcept {
  const Locked locked;
  return reap(child);
}

int begin_watch(Child& child) noexcept {
  const Locked locked;
  ++child.watchers;
  return reap(child) ? -1 : child.pidfd;
}

void end_watch(Child& child) noexcept {
  const Locked locked;
  --child.watchers;
  close_if_done(child);
}

void send_signal(Child& child, int number) noexcept {
  const Locked locked;
  signal_living(child, number);
}

Result<> wait_for(Child& child, Deadline deadline) {
  struct Watch {
    explicit Watch(Child& watched) noexcept : child(watched), fd(begin_watch(watched)) {}
    ~Watch() { end_watch(child); }
    Child& child;
    const int fd;
  } const watch(child);
  while (!has_ended(child)) {
    timespec left{};
    if (deadline != never) {
      const TimePoint now = monotonic_now();  // not subtracted first: Deadline::min() overflows
      if (deadline <= now) return fail(ETIMEDOUT);
      left = to_timespec(deadline - now);
    }
    pollfd ended{watch.fd, POLLIN, 0};
    if (::ppoll(&ended, 1, deadline == never ? nullptr : &left, nullptr) < 0 && errno != EINTR) {
      return fail(errno);
    }
  }
  return {};
}

void sweep_children() noexcept {
  if (!the_table) return;
  All free;
  {
    const Locked locked;
    reap_ended(0);
    free.splice_back(the_table->abandoned);
  }
  while (Child* const child = free.pop_front()) delete child;
}

std::vector<Active> list_children() {
  sweep_children();
  if (!the_table) return {};
  struct Seen {
    pid_t pid;
    bool daemon;
    std::shared_ptr<const std::string> name;
  };
  std::vector<Seen> seen;
  for (std::size_t count = 0, room = 16;; room = count + 16) {
    seen.clear();
    seen.reserve(room);  // not under the lock: it allocates
    count = 0;
    const Locked locked;
    reap_all();  // also what other code has reaped
    for (Child* child = the_table->living.front(); child; child = the_table->living.next(*child)) {
      if (++count <= room) seen.push_back({child->pid, child->daemon, child->name});
    }
    if (count <= room) break;
  }
  std::vector<Active> active;
  active.reserve(seen.size());
  for (const Seen& child : seen) active.push_back({*child.name, child.pid, child.daemon});
  return active;
}

void end_children() noexcept {
  if (!the_table) return;
  const auto signal_daemons = [](int number) {
    const Locked locked;
    for (Child* child = the_table->living.front(); child; child = the_table->living.next(*child)) {
      if (child->daemon) signal_living(*child, number);
    }
  };
  const auto next = [](bool daemons) -> Child* {
    const Locked locked;
    reap_ended(0);
    for (Child* child = the_table->living.front(); child; child = the_table->living.next(*child)) {
      if (child->daemon == daemons) return child;
    }
    return nullptr;
  };
  // No thread of ours frees a child that runs: nothing that next() gives goes away meanwhile.
  signal_daemons(SIGTERM);
  while (Child* const child = next(false)) (void)wait_for(*child, never);
  signal_daemons(SIGKILL);
  while (Child* const child = next(true)) (void)wait_for(*child, never);
}

void ChildDeleter::operator()(Child* child) const noexcept {
  if (child->parent != 0 && child->parent == ::getpid()) {
    const Locked locked;
    if (!reap(*child)) {
      child->owned = false;
      return;
    }
  }
  delete child;
}

}  // namespace polyio::process::detail
