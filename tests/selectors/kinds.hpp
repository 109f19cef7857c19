// What the selector tests share: the list of selectors every contract test runs on, and descriptors
// to watch.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <ostream>
#include <polyio/selectors.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio {

using namespace std::chrono_literals;

// What a kind can't do, or does otherwise, for the cases that depend on it.
struct Kind {
  std::string name;
  std::unique_ptr<Selector> (*make)();
  bool hints = false;       // tells everything at once, ready or not
  bool flags = true;        // tells event_hang_up and event_error
  bool takes_files = true;  // regular files
  bool takes_eventfds = true;
  bool below_1024 = false;          // only such fds
  bool polls = false;               // by poll(2)
  bool hang_up_is_writable = true;  // also with WRITE alone
};

template <class S, auto... arguments>
std::unique_ptr<Selector> make_selector() {
  return std::make_unique<S>(arguments...);
}

inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {.name = "select",
       .make = make_selector<SelectSelector>,
       .flags = false,
       .below_1024 = true,
       .hang_up_is_writable = false},
      {.name = "poll", .make = make_selector<PollSelector>, .polls = true},
      {.name = "epoll", .make = make_selector<EpollSelector>, .takes_files = false},
      {.name = "epoll-et",
       .make = make_selector<EpollSelector, Trigger::edge>,
       .takes_files = false},
      {.name = "sigio",
       .make = make_selector<SignalSelector>,
       .takes_files = false,
       .takes_eventfds = false,
       .polls = true},
      {.name = "nonblocking", .make = make_selector<BusySelector>, .hints = true, .flags = false},
      // Over the emulations of tests/emulation.
      {.name = "kqueue", .make = make_selector<KqueueSelector>, .flags = false},
      {.name = "kqueue-et", .make = make_selector<KqueueSelector, Trigger::edge>, .flags = false},
      {.name = "devpoll", .make = make_selector<DevpollSelector>, .polls = true},
  };
  return all;
}

inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

inline std::string kind_name(const testing::TestParamInfo<Kind>& info) {
  std::string name = info.param.name;
  std::ranges::replace(name, '-', '_');
  return name;
}

// Two connected stream sockets; `near` is the one to watch.
struct Pair {
  os::UniqueFd near, far;
  Pair() {
    int fds[2];
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (::socketpair(AF_UNIX, type, 0, fds) == 0) near.reset(fds[0]), far.reset(fds[1]);
    EXPECT_TRUE(near) << "socketpair";
  }
  int fd() const { return near.get(); }
  void send(char byte = 'x') { EXPECT_EQ(::write(far.get(), &byte, 1), 1); }
  void receive() {
    char byte;
    EXPECT_EQ(::read(near.get(), &byte, 1), 1);
  }
};

struct PipeEnds {
  os::UniqueFd read, write;
  PipeEnds() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) read.reset(fds[0]), write.reset(fds[1]);
    EXPECT_TRUE(read) << "pipe2";
  }
  void fill() {
    const std::array<char, 4096> page{};
    while (::write(write.get(), page.data(), page.size()) > 0) {
    }
    EXPECT_EQ(errno, EAGAIN);
  }
};

// As many descriptors as the machine allows; false when that is fewer than `wanted`.
inline bool allow_descriptors(rlim_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

inline volatile std::sig_atomic_t alarms = 0;

// SIGALRM every 2 ms, with a handler. The timer repeats, so one that goes off before the wait
// begins does no harm.
class Alarms {
 public:
  Alarms() {
    alarms = 0;
    struct sigaction action{};
    action.sa_handler = [](int) { alarms = alarms + 1; };
    action.sa_flags = SA_RESTART;  // which these calls never heed: signal(7)
    ::sigaction(SIGALRM, &action, &old_);
    const itimerval every{{0, 2000}, {0, 2000}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  ~Alarms() {
    const itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &old_, nullptr);
  }

 private:
  struct sigaction old_{};
};

class SelectorTest : public testing::TestWithParam<Kind> {
 protected:
  bool edge() const { return selector->trigger() == Trigger::edge; }
  bool hints() const { return GetParam().hints; }
  // `flags` where the kind tells event_hang_up and event_error.
  Events if_told(Events flags) const { return GetParam().flags ? flags : 0; }
  // What is told of an fd asked for `events` that isn't ready.
  Events idle(Events events) const { return hints() ? events : 0; }
  // The mask told for `fd` by a select() that doesn't wait; 0 when it is not told.
  Events told(int fd) {
    auto events = selector->select(no_wait);
    EXPECT_TRUE(events.has_value());
    for (const SelectorEvent& event : *events) {
      if (event.key.fd == fd) return event.mask;
    }
    return 0;
  }
  std::unique_ptr<Selector> selector = GetParam().make();
};

inline constexpr Events both = event_read | event_write;

// For the cases that say "not ready, so not told".
#define POLYIO_SKIP_HINTS() \
  if (GetParam().hints) GTEST_SKIP() << "tells what isn't ready as well"

template <class T>
testing::AssertionResult fails_with(const Result<T>& result, int number) {
  if (result) return testing::AssertionFailure() << "succeeded";
  if (result.error() == errno_code(number)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "failed with: " << result.error().message();
}

}  // namespace polyio
