// aio_notify: the cost of the notification that an aio_read(3) has ended, in both ways: by a
// signal, whose handler wakes the loop's thread, or by a thread that glibc makes for each
// notification. Bytes go round a ring of socket pairs, so that each completion is waited for; the
// loop reads them by POSIX AIO and writes by send(2).
//
//   build/bench/bench/aio_notify [COMPLETIONS [PAIRS]]      50,000 and 1 if not given
#include <aio.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

namespace {

struct Pair {
  int ours = -1, theirs = -1;
  aiocb block{};
  char byte = 0;
};

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

int wakeup = -1;
std::atomic<std::uint64_t> notified{0};

void notify() noexcept {
  notified.fetch_add(1);
  const std::uint64_t one = 1;
  (void)!::write(wakeup, &one, sizeof one);
}

// The handler runs in the loop's thread, inside ppoll, which it ends.
void on_signal(int, siginfo_t*, void*) { notified.fetch_add(1); }
void on_thread(sigval) { notify(); }

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

void start_read(Pair& pair, int notify) {
  static pthread_attr_t small = [] {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, 64 * 1024);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    return attributes;
  }();
  pair.block.aio_fildes = pair.ours;
  pair.block.aio_buf = &pair.byte;
  pair.block.aio_nbytes = 1;
  pair.block.aio_sigevent.sigev_notify = notify;
  if (notify == SIGEV_SIGNAL) {
    pair.block.aio_sigevent.sigev_signo = SIGRTMAX - 1;
    pair.block.aio_sigevent.sigev_value.sival_ptr = &pair;
  } else {
    pair.block.aio_sigevent.sigev_notify_function = on_thread;
    pair.block.aio_sigevent.sigev_notify_attributes = &small;
  }
  if (::aio_read(&pair.block) != 0) give_up("aio_read");
}

void run(const char* name, int notify, int completions, int count) {
  std::deque<Pair> pairs(static_cast<std::size_t>(count));
  for (Pair& pair : pairs) {
    int both[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, both) != 0) give_up("socketpair");
    pair.ours = both[0];
    pair.theirs = both[1];
    start_read(pair, notify);
  }
  sigset_t outside;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &outside);
  sigdelset(&outside, SIGRTMAX - 1);
  const double cpu = cpu_us();
  const auto start = std::chrono::steady_clock::now();
  // As many bytes on their way as there are pairs: each one that is reported is sent again.
  for (Pair& pair : pairs) (void)!::send(pair.theirs, "x", 1, 0);
  for (int done = 0; done < completions;) {
    pollfd one{wakeup, POLLIN, 0};
    if (::ppoll(&one, 1, nullptr, &outside) > 0) {
      std::uint64_t number;
      (void)!::read(wakeup, &number, sizeof number);
    }
    if (notified.exchange(0) == 0) continue;
    for (Pair& pair : pairs) {
      if (::aio_error(&pair.block) == EINPROGRESS) continue;
      if (::aio_return(&pair.block) != 1) give_up("a read");
      (void)::aio_cancel(pair.ours, &pair.block);  // waits until its helper is through with it
      ++done;
      start_read(pair, notify);
      (void)!::send(pair.theirs, "x", 1, 0);
    }
  }
  const std::chrono::duration<double, std::micro> span = std::chrono::steady_clock::now() - start;
  std::printf("%-14s %4d pairs  %7.1f us per completion  %7.1f us of CPU\n", name, count,
              span.count() / completions, (cpu_us() - cpu) / completions);
  // The reads still in flight end with the process.
  for (Pair& pair : pairs) {
    ::shutdown(pair.ours, SHUT_RDWR);
    const aiocb* const list[] = {&pair.block};
    while (::aio_error(&pair.block) == EINPROGRESS) (void)::aio_suspend(list, 1, nullptr);
    (void)::aio_cancel(pair.ours, nullptr);
    ::close(pair.ours);
    ::close(pair.theirs);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int completions = count > 1 ? std::atoi(arguments[1]) : 50'000;
  const int pairs = count > 2 ? std::atoi(arguments[2]) : 1;
  if (completions < 1 || pairs < 1 || pairs > 1000) {
    std::fputs("usage: aio_notify [COMPLETIONS [PAIRS]], at most 1,000 pairs\n", stderr);
    return 2;
  }
  aioinit settings{};
  settings.aio_threads = pairs + 4;
  settings.aio_num = 64;
  settings.aio_idle_time = 1;
  ::aio_init(&settings);
  wakeup = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(SIGRTMAX - 1, &action, nullptr);
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGRTMAX - 1);
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
  for (int round = 0; round < 3; ++round) {
    run("SIGEV_SIGNAL", SIGEV_SIGNAL, completions, pairs);
    run("SIGEV_THREAD", SIGEV_THREAD, completions, pairs);
  }
  return 0;
}
