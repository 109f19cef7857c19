#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>
#include <system_error>
#include <thread>
#include <vector>

namespace polyio::os {
namespace {

// One watcher, as the handler sees it: `into` is its pipe, plus 1; 0: a free place. `owner` is the
// process that made it: a forked one has the places, but its pipes are its parent's.
struct Place {
  std::atomic<int> into{0};
  std::atomic<pid_t> owner{0};
  std::atomic<std::uint64_t> signals{0};  // a bit each
};
constexpr std::size_t most_watchers = 64;
constinit std::array<Place, most_watchers> places{};
static_assert(NSIG <= 65);
std::uint64_t bit_of(int signal) noexcept { return std::uint64_t{1} << (signal - 1); }

// How each signal was handled before its first watcher, and how many it has.
struct Before {
  struct sigaction action{};
  int watchers = 0;
};
std::mutex mutex;
constinit std::array<Before, NSIG> before_watchers{};

// A handler and not signalfd(2), because threads that were there before may not block the signal.
void forward(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  for (const Place& place : places) {
    const int fd = place.into.load() - 1;
    if (fd < 0 || !(place.signals.load() & bit_of(number)) || place.owner.load() != ::getpid()) {
      continue;
    }
    while (::write(fd, &byte, 1) < 0 && errno == EINTR) {
    }
  }
  errno = saved;
}

Place* take_place(int into, std::uint64_t signals) noexcept {
  const pid_t self = ::getpid();
  for (Place& place : places) {
    if (place.into.load() != 0 && place.owner.load() == self) continue;
    place.signals.store(0);
    place.owner.store(self);
    place.into.store(into + 1);
    place.signals.store(signals);
    return &place;
  }
  return nullptr;
}

}  // namespace

struct SignalWatcher::State {
  sigset_t set;
  sigset_t mask_before;
  std::vector<int> signals;
  UniqueFd out, in;
  Wakeup end;
  Place* place = nullptr;
  std::thread thread;

  void take() {
    std::uint64_t bits = 0;
    for (const int signal : signals) bits |= bit_of(signal);
    const std::lock_guard lock(mutex);
    place = take_place(in.get(), bits);
    if (!place) throw std::system_error(EMFILE, std::generic_category(), "too many SignalWatchers");
    struct sigaction action{};
    action.sa_handler = forward;
    action.sa_flags = SA_RESTART;
    for (const int signal : signals) {
      Before& before = before_watchers.at(static_cast<std::size_t>(signal));
      if (before.watchers++ == 0) ::sigaction(signal, &action, &before.action);
    }
  }
  void give_back() {
    const std::lock_guard lock(mutex);
    for (const int signal : signals) {
      Before& before = before_watchers.at(static_cast<std::size_t>(signal));
      if (--before.watchers == 0) ::sigaction(signal, &before.action, nullptr);
    }
    place->signals.store(0);
    place->into.store(0);
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
  state->signals = signals;
  sigemptyset(&state->set);
  for (const int signal : signals) sigaddset(&state->set, signal);
  ::pthread_sigmask(SIG_BLOCK, &state->set, &state->mask_before);
  try {
    // Before the thread unblocks them, for one may be pending since before this process was forked.
    state->take();
    try {
      state->thread = std::thread([state, call = std::move(on_signal)] { state->watch(call); });
    } catch (...) {
      state->give_back();
      throw;
    }
  } catch (...) {
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

void ignore_sigxfsz() noexcept { (void)std::signal(SIGXFSZ, SIG_IGN); }

void ignore_sigpipe() noexcept { std::signal(SIGPIPE, SIG_IGN); }

void ignore_sigpipe_by_default() noexcept {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ignore_sigpipe();
}

void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

bool is_ignored(int signal) noexcept {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

bool has_terminal() noexcept {
  return static_cast<bool>(
      UniqueFd(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)));
}

}  // namespace polyio::os
