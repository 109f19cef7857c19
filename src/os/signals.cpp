#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>
#include <system_error>
#include <thread>
#include <vector>

namespace polyio::os {
namespace {

// For each signal, the pipe that its number goes into, plus 1; 0: none. A handler and not
// signalfd(2), because threads that were there before may not block the signal.
std::atomic<int> pipe_of[NSIG];

void forward(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  const int fd = pipe_of[number].load() - 1;
  while (fd >= 0 && ::write(fd, &byte, 1) < 0 && errno == EINTR) {
  }
  errno = saved;
}

}  // namespace

struct SignalWatcher::State {
  struct Taken {
    int number;
    struct sigaction before;
    int pipe_before;
  };
  sigset_t set;
  sigset_t mask_before;
  UniqueFd out, in;
  Wakeup end;
  std::vector<Taken> taken;
  std::thread thread;

  void give_back() {
    for (const Taken& one : taken) {
      ::sigaction(one.number, &one.before, nullptr);
      pipe_of[one.number].store(one.pipe_before);
    }
  }

  void watch(const std::function<void(int)>& on_signal) {
    name_thread("signals");
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    for (;;) {
      pollfd both[] = {{out.get(), POLLIN, 0}, {end.fd(), POLLIN, 0}};
      if (::poll(both, 2, -1) < 0) continue;  // EINTR: our own signals
      if (both[1].revents) return;
      unsigned char number = 0;
      if (::read(out.get(), &number, 1) == 1) on_signal(number);
    }
  }
};

SignalWatcher::SignalWatcher(std::initializer_list<int> signals, std::function<void(int)> on_signal)
    : state_(std::make_unique<State>()) {
  State* const state = state_.get();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  state->out.reset(ends[0]);
  state->in.reset(ends[1]);
  sigemptyset(&state->set);
  for (const int signal : signals) sigaddset(&state->set, signal);
  state->taken.reserve(signals.size());  // nothing may throw once the thread runs
  ::pthread_sigmask(SIG_BLOCK, &state->set, &state->mask_before);
  // Before the thread unblocks them, for one may be pending since before this process was forked.
  struct sigaction action{};
  action.sa_handler = forward;
  action.sa_flags = SA_RESTART;
  for (const int signal : signals) {
    State::Taken& taken = state->taken.emplace_back();
    taken.number = signal;
    taken.pipe_before = pipe_of[signal].exchange(ends[1] + 1);
    ::sigaction(signal, &action, &taken.before);
  }
  try {
    state->thread = std::thread([state, call = std::move(on_signal)] { state->watch(call); });
  } catch (...) {
    state->give_back();
    ::pthread_sigmask(SIG_SETMASK, &state->mask_before, nullptr);
    throw;
  }
}

SignalWatcher::~SignalWatcher() {
  state_->give_back();
  state_->end.signal();
  state_->thread.join();
  ::pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
}

SignalsBlocked::SignalsBlocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

void ignore_sigpipe() noexcept { std::signal(SIGPIPE, SIG_IGN); }

void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace polyio::os
