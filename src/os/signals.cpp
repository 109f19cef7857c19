#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>
#include <system_error>
#include <thread>

namespace polyio::os {

struct SignalWatcher::State {
  sigset_t before;
  UniqueFd fd;
  Wakeup end;
  std::thread thread;

  void watch(const std::function<void(int)>& on_signal) {
    name_thread("signals");
    for (;;) {
      pollfd both[] = {{fd.get(), POLLIN, 0}, {end.fd(), POLLIN, 0}};
      if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
      if (both[1].revents) return;
      signalfd_siginfo info;
      if (!both[0].revents || ::read(fd.get(), &info, sizeof info) != sizeof info) continue;
      on_signal(static_cast<int>(info.ssi_signo));
    }
  }
};

SignalWatcher::SignalWatcher(std::initializer_list<int> signals, std::function<void(int)> on_signal)
    : state_(std::make_unique<State>()) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  state_->fd.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!state_->fd) throw std::system_error(errno, std::generic_category(), "signalfd");
  ::pthread_sigmask(SIG_BLOCK, &set, &state_->before);
  State* const state = state_.get();
  state->thread = std::thread([state, call = std::move(on_signal)] { state->watch(call); });
}

SignalWatcher::~SignalWatcher() {
  state_->end.signal();
  state_->thread.join();
  ::pthread_sigmask(SIG_SETMASK, &state_->before, nullptr);
}

void ignore_sigpipe() noexcept { std::signal(SIGPIPE, SIG_IGN); }

void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace polyio::os
