// What the selector tests share: the list of selectors every contract test runs on, and descriptors
// to watch.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <polyio/selectors.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio {

using namespace std::chrono_literals;

struct Kind {
  std::string name;
  std::unique_ptr<Selector> (*make)();
};

inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"select", []() -> std::unique_ptr<Selector> { return std::make_unique<SelectSelector>(); }},
      {"poll", []() -> std::unique_ptr<Selector> { return std::make_unique<PollSelector>(); }},
      {"epoll", []() -> std::unique_ptr<Selector> { return std::make_unique<EpollSelector>(); }},
      {"epoll-et",
       []() -> std::unique_ptr<Selector> {
         return std::make_unique<EpollSelector>(Trigger::edge);
       }},
  };
  return all;
}

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

class SelectorTest : public testing::TestWithParam<Kind> {
 protected:
  bool edge() const { return selector->trigger() == Trigger::edge; }
  bool is_select() const { return GetParam().name == "select"; }
  bool is_epoll() const { return GetParam().name.starts_with("epoll"); }
  // The mask told for `fd` by a select() that doesn't wait; 0 when it is not told.
  Events told(int fd) {
    auto events = selector->select(no_wait);
    EXPECT_TRUE(events.has_value());
    for (const Event& event : *events) {
      if (event.key.fd == fd) return event.mask;
    }
    return 0;
  }
  std::unique_ptr<Selector> selector = GetParam().make();
};

inline constexpr Events both = event_read | event_write;

template <class T>
testing::AssertionResult fails_with(const Result<T>& result, int number) {
  if (result) return testing::AssertionFailure() << "succeeded";
  if (result.error() == errno_code(number)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "failed with: " << result.error().message();
}

}  // namespace polyio
