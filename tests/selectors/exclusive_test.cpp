// register_exclusive(): a connection wakes one of those that sleep on the same listening socket.
#include <sys/syscall.h>

#include <fstream>
#include <polyio/os/socket.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/selectors/epoll_selector.hpp>
#include <thread>

#include "kinds.hpp"

namespace polyio {
namespace {

// Waits in select() on a thread of its own until it is woken.
class Sleeper {
 public:
  explicit Sleeper(int listener) : listener_(listener) {
    EXPECT_TRUE(selector_.register_exclusive(listener));
    EXPECT_TRUE(selector_.register_fd(end_.fd(), event_read));
    thread_ = std::jthread([this] {
      thread_id_ = static_cast<int>(::syscall(SYS_gettid));
      const auto events = selector_.select().value();
      for (const SelectorEvent& event : events) {
        woken_ |= event.key.fd == listener_;
      }
      over_ = true;
    });
    while (state() != 'S') std::this_thread::yield();
  }
  bool over() const { return over_; }
  // Ends the wait; whether the listener was among what ended it.
  bool woken() {
    end_.signal();
    thread_.join();
    return woken_;
  }

 private:
  // Of its thread; S: it sleeps, and it has only one call to sleep in.
  char state() const {
    if (thread_id_ == 0) return '?';
    std::ifstream stat("/proc/self/task/" + std::to_string(thread_id_) + "/stat");
    std::string text;
    std::getline(stat, text);
    const auto name_end = text.rfind(')');
    return name_end == text.npos || name_end + 2 >= text.size() ? '?' : text[name_end + 2];
  }

  const int listener_;
  EpollSelector selector_;
  os::Wakeup end_;
  std::atomic<int> thread_id_{0};
  std::atomic<bool> over_{false};
  bool woken_ = false;
  std::jthread thread_;
};

os::UniqueFd listener() {
  return os::listen_stream(*os::Address::parse("127.0.0.1:0"), 16, os::Blocking::no).value();
}

os::UniqueFd connect_to(int listener) {
  os::UniqueFd client = os::stream_socket(AF_INET, os::Blocking::yes).value();
  EXPECT_TRUE(os::start_connect(client.get(), os::local_address(listener).value()));
  return client;
}

TEST(Exclusive, AConnectionWakesOneSleeper) {
  const os::UniqueFd socket = listener();
  std::vector<std::unique_ptr<Sleeper>> sleepers;
  for (int i = 0; i < 4; ++i) sleepers.push_back(std::make_unique<Sleeper>(socket.get()));
  const os::UniqueFd client = connect_to(socket.get());
  while (std::ranges::none_of(sleepers, [](const auto& one) { return one->over(); })) {
    std::this_thread::yield();
  }
  int woken = 0;
  for (const auto& one : sleepers) woken += one->woken();
  EXPECT_EQ(woken, 1);
}

class ExclusiveTest : public SelectorTest {};
INSTANTIATE_TEST_SUITE_P(Every, ExclusiveTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(ExclusiveTest, IsToldUnderItsKeyAndForgotten) {
  const os::UniqueFd socket = listener();
  const int fd = socket.get();
  EXPECT_EQ(selector->register_exclusive(fd, 7).value(), (SelectorKey{fd, event_read, 7}));
  EXPECT_EQ(told(fd), idle(event_read));
  const os::UniqueFd client = connect_to(fd);
  EXPECT_EQ(told(fd), event_read);
  EXPECT_EQ(selector->unregister(fd).value(), (SelectorKey{fd, event_read, 7}));
  EXPECT_EQ(told(fd), 0u);
  EXPECT_TRUE(selector->register_fd(fd, event_read));  // as any other again
  EXPECT_TRUE(selector->modify(fd, event_read, 8));
}

TEST_P(ExclusiveTest, WhatCantBeRegisteredIsRefused) {
  const os::UniqueFd socket = listener();
  EXPECT_TRUE(fails_with(selector->register_exclusive(-1), EBADF));
  ASSERT_TRUE(selector->register_exclusive(socket.get()));
  EXPECT_TRUE(fails_with(selector->register_exclusive(socket.get()), EEXIST));
}

}  // namespace
}  // namespace polyio
