// SignalSelector: whose signals go where, what happens when the queue overflows, and that none ever
// kills the process.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include <csignal>
#include <polyio/os/wakeup.hpp>
#include <system_error>
#include <thread>

#include "kinds.hpp"

namespace polyio {
namespace {

bool has_async_flag(int fd) { return (::fcntl(fd, F_GETFL) & O_ASYNC) != 0; }

std::size_t count_told(Selector& selector, Timeout timeout = no_wait) {
  auto events = selector.select(timeout);
  EXPECT_TRUE(events) << events.error().message();
  return events ? events->size() : 0;
}

bool is_pending(int signal) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigpending(&set);
  return ::sigismember(&set, signal) == 1;
}

TEST(SignalSelector, SetsTheFlagAndTakesItBack) {
  Pair one, two, three;
  {
    SignalSelector selector;
    for (const Pair* pair : {&one, &two, &three}) {
      ASSERT_TRUE(selector.register_fd(pair->fd(), event_read));
      EXPECT_TRUE(has_async_flag(pair->fd()));
      EXPECT_EQ(::fcntl(pair->fd(), F_GETSIG), selector.signal_number());
    }
    ASSERT_TRUE(selector.unregister(one.fd()));
    EXPECT_FALSE(has_async_flag(one.fd()));
    EXPECT_TRUE(has_async_flag(two.fd()));
    three.send();  // queued, and nobody's when the selector has gone
  }
  EXPECT_FALSE(has_async_flag(two.fd()));
  EXPECT_EQ(::fcntl(two.fd(), F_GETSIG), 0);
  SignalSelector next;
  EXPECT_FALSE(is_pending(next.signal_number()));
}

TEST(SignalSelector, CloseTakesTheFlagBackToo) {
  Pair pair;
  SignalSelector selector;
  const int number = selector.signal_number();
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  pair.send();
  EXPECT_TRUE(is_pending(number));
  selector.close();
  EXPECT_FALSE(has_async_flag(pair.fd()));
  EXPECT_FALSE(is_pending(number));
  EXPECT_EQ(selector.signal_number(), 0);
}

TEST(SignalSelector, FilesThatSendNoSignalsAreRefusedAndLeftAlone) {
  SignalSelector selector;
  std::vector<os::UniqueFd> files;
  files.emplace_back(::eventfd(0, EFD_CLOEXEC));
  files.emplace_back(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  files.emplace_back(::epoll_create1(EPOLL_CLOEXEC));
  files.emplace_back(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  files.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const auto& file : files) {
    ASSERT_TRUE(file);
    EXPECT_TRUE(fails_with(selector.register_fd(file.get(), event_read), EPERM));
    EXPECT_EQ(::fcntl(file.get(), F_GETSIG), 0);
  }
  os::UniqueFd path(::open("/", O_PATH | O_CLOEXEC));
  EXPECT_TRUE(fails_with(selector.register_fd(path.get(), event_read), EBADF));
  EXPECT_EQ(selector.size(), 0u);
  os::UniqueFd watches(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  EXPECT_TRUE(selector.register_fd(watches.get(), event_read));
}

// modify() to the file that has the number by now, which is of the wrong kind: nothing has changed.
TEST(SignalSelector, ModifyRefusesToo) {
  SignalSelector selector;
  Pair pair;
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read, 7));
  const os::UniqueFd counter(::eventfd(0, EFD_CLOEXEC));
  ASSERT_EQ(::dup3(counter.get(), pair.fd(), O_CLOEXEC), pair.fd());
  EXPECT_TRUE(fails_with(selector.modify(pair.fd(), event_write, 8), EPERM));
  EXPECT_EQ(selector.get_key(pair.fd()).value(), (SelectorKey{pair.fd(), event_read, 7}));
}

TEST(SignalSelector, EachHasANumberOfItsOwnUntilNoneIsLeft) {
  std::vector<std::unique_ptr<SignalSelector>> all;
  std::vector<int> numbers;
  try {
    for (;;) {
      all.push_back(std::make_unique<SignalSelector>());
      numbers.push_back(all.back()->signal_number());
      ASSERT_LE(all.size(), 64u);
    }
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), errno_code(EAGAIN));
    EXPECT_THAT(error.what(), testing::HasSubstr("every real-time signal is in use"));
  }
  EXPECT_EQ(all.size(), static_cast<std::size_t>(SIGRTMAX - 3 - SIGRTMIN + 1));
  EXPECT_EQ(std::ranges::adjacent_find(numbers), numbers.end());
  EXPECT_GE(std::ranges::min(numbers), SIGRTMIN);
  EXPECT_LE(std::ranges::max(numbers), SIGRTMAX - 3);
  const int freed = numbers[5];
  all[5].reset();
  EXPECT_EQ(SignalSelector().signal_number(), freed);
}

TEST(SignalSelector, ANumberWithAHandlerIsSomebodyElses) {
  const int number = SignalSelector().signal_number();
  struct sigaction handle{}, before{};
  handle.sa_handler = [](int) {};
  ::sigaction(number, &handle, &before);
  EXPECT_NE(SignalSelector().signal_number(), number);
  ::sigaction(number, &before, nullptr);
  EXPECT_EQ(SignalSelector().signal_number(), number);
}

TEST(SignalSelector, TwoInOneThread) {
  SignalSelector first, second;
  Pair one, two;
  ASSERT_TRUE(first.register_fd(one.fd(), event_read));
  ASSERT_TRUE(second.register_fd(two.fd(), event_read));
  for (int round = 0; round < 3; ++round) {
    one.send();
    EXPECT_EQ(count_told(second), 0u);
    EXPECT_EQ(count_told(first), 1u);
    two.send();
    EXPECT_EQ(count_told(first), 0u);
    EXPECT_EQ(count_told(second), 1u);
  }
}

// At most this many signals are queued for this user, while it lives.
class PendingLimit {
 public:
  explicit PendingLimit(rlim_t most) {
    ::getrlimit(RLIMIT_SIGPENDING, &before_);
    const rlimit few{most, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_SIGPENDING, &few), 0);
  }
  ~PendingLimit() { ::setrlimit(RLIMIT_SIGPENDING, &before_); }

 private:
  rlimit before_{};
};

TEST(SignalSelector, NothingIsLostWhenTheQueueOverflows) {
  SignalSelector selector;
  std::vector<Pair> pairs(100);
  for (const Pair& pair : pairs) ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  EXPECT_EQ(count_told(selector), 0u);
  for (rlim_t limit : {rlim_t{4}, rlim_t{0}}) {
    const PendingLimit few(limit);
    for (Pair& pair : pairs) pair.send();
    EXPECT_TRUE(is_pending(SIGIO)) << "no overflow: the test shows nothing";
    EXPECT_EQ(count_told(selector), pairs.size());
    EXPECT_FALSE(is_pending(SIGIO));
    EXPECT_EQ(count_told(selector), 0u) << "edges are told once";
    for (Pair& pair : pairs) pair.receive();
  }
}

// SIGIO doesn't say whose queue overflowed, and the first to wait takes it.
TEST(SignalSelector, AnOverflowIsEveryonesInThisThread) {
  SignalSelector first, second;
  Pair one, two;
  ASSERT_TRUE(first.register_fd(one.fd(), event_read));
  ASSERT_TRUE(second.register_fd(two.fd(), event_read));
  EXPECT_EQ(count_told(first) + count_told(second), 0u);  // the first look is over
  const PendingLimit none(0);
  one.send();
  two.send();
  EXPECT_TRUE(is_pending(SIGIO));
  EXPECT_EQ(count_told(first), 1u);
  EXPECT_EQ(count_told(second), 1u);
  one.receive();
  one.send();
  second.close();  // takes what is queued, SIGIO as well
  EXPECT_EQ(count_told(first), 1u);
}

// More signals than one wait takes.
TEST(SignalSelector, AFloodIsHints) {
  SignalSelector selector;
  Pair pair;
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  for (int i = 0; i < 5000; ++i) {
    pair.send();
    pair.receive();
  }
  EXPECT_EQ(count_told(selector), 0u);
  pair.send();
  EXPECT_EQ(count_told(selector), 1u);
}

TEST(SignalSelector, MayMoveBetweenThreads) {
  SignalSelector selector;
  Pair one, two;
  ASSERT_TRUE(selector.register_fd(one.fd(), event_read));
  EXPECT_EQ(count_told(selector), 0u);
  one.send();  // the signal goes to this thread
  std::thread([&] {
    EXPECT_EQ(count_told(selector), 1u);
    one.receive();
    one.send();  // to that one
    EXPECT_EQ(count_told(selector), 1u);
    ASSERT_TRUE(selector.register_fd(two.fd(), event_read));
    two.send();
  }).join();
  one.receive();
  EXPECT_EQ(count_told(selector), 1u);
  EXPECT_EQ(count_told(selector), 0u);
  one.send();
  EXPECT_EQ(count_told(selector), 1u);
}

TEST(SignalSelector, WaitsForAnotherThread) {
  SignalSelector selector;
  os::Wakeup wakeup(os::Wakeup::Kind::pipe);
  ASSERT_TRUE(selector.register_fd(wakeup.fd(), event_read));
  for (int round = 0; round < 100; ++round) {
    std::thread other([&] { wakeup.signal(); });
    EXPECT_EQ(count_told(selector, std::nullopt), 1u);
    other.join();
    wakeup.drain();
  }
}

TEST(SignalSelector, SignalsOfAClosedFdAreNotToldUnderTheNextOne) {
  SignalSelector selector;
  Pair old, fresh;
  const int fd = old.fd();
  ASSERT_TRUE(selector.register_fd(fd, event_read, 1));
  EXPECT_EQ(count_told(selector), 0u);
  old.send();
  EXPECT_TRUE(is_pending(selector.signal_number()));
  ASSERT_TRUE(selector.unregister(fd));
  ASSERT_EQ(::dup3(fresh.fd(), fd, O_CLOEXEC), fd);
  ASSERT_TRUE(selector.register_fd(fd, event_read, 2));
  EXPECT_EQ(count_told(selector), 0u);
}

TEST(SignalSelector, SignalsSentBySomebodyTellNothing) {
  SignalSelector selector;
  Pair pair;
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  ASSERT_EQ(::kill(::getpid(), selector.signal_number()), 0);
  ASSERT_EQ(::sigqueue(::getpid(), selector.signal_number(), {.sival_int = pair.fd()}), 0);
  ASSERT_EQ(::pthread_kill(::pthread_self(), selector.signal_number()), 0);
  ASSERT_EQ(::pthread_kill(::pthread_self(), SIGIO), 0);
  EXPECT_EQ(count_told(selector), 0u);
  pair.send();
  EXPECT_EQ(count_told(selector), 1u);
}

// The default of a real-time signal is to end the process.
TEST(SignalSelector, ItsSignalKillsNobody) {
  int number = 0;
  const auto raise_unblocked = [&] {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    EXPECT_EQ(::raise(number), 0);
  };
  {
    SignalSelector selector;
    number = selector.signal_number();
    std::thread(raise_unblocked).join();
  }
  std::thread(raise_unblocked).join();
}

// The kernel signals space only after a send that met EAGAIN under O_ASYNC, and these sockets' poll
// doesn't make up for it.
TEST(SignalSelector, AUnixStreamThatWasFullBefore) {
  SignalSelector selector;
  Pair pair;
  const std::string page(4096, 'x');
  while (::write(pair.fd(), page.data(), page.size()) > 0) {
  }
  ASSERT_EQ(errno, EAGAIN);
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_write));
  EXPECT_EQ(count_told(selector), 0u);
  std::string got(page.size(), ' ');
  std::size_t total = 0;
  for (ssize_t count; (count = ::read(pair.far.get(), got.data(), got.size())) > 0;) {
    EXPECT_EQ(got.substr(0, static_cast<std::size_t>(count)).find_first_not_of('x'),
              std::string::npos);
    total += static_cast<std::size_t>(count);
  }
  EXPECT_EQ(total % page.size(), 0u) << "nothing was sent to find out";
  EXPECT_EQ(count_told(selector), 1u);
}

TEST(SignalSelector, OnesOwnShutdownIsToldByModify) {
  SignalSelector selector;
  Pair pair;
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  EXPECT_EQ(count_told(selector), 0u);
  ASSERT_EQ(::shutdown(pair.fd(), SHUT_RD), 0);
  EXPECT_EQ(count_told(selector), 0u);
  ASSERT_TRUE(selector.modify(pair.fd(), event_read, 0));
  EXPECT_EQ(count_told(selector), 1u);
}

TEST(SignalSelector, AFileIsToldUnderTheFdRegisteredLast) {
  SignalSelector selector;
  Pair pair;
  const os::UniqueFd duplicate(::fcntl(pair.fd(), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(selector.register_fd(pair.fd(), event_read));
  ASSERT_TRUE(selector.register_fd(duplicate.get(), event_read));
  EXPECT_EQ(count_told(selector), 0u);
  pair.send();
  auto events = selector.select(no_wait).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key.fd, duplicate.get());
}

// Registering and unregistering without a select() between keeps nothing.
TEST(SignalSelector, ManyRegistrationsBetweenTwoWaits) {
  SignalSelector selector;
  std::vector<Pair> pairs(3);
  for (int round = 0; round < 1000; ++round) {
    for (Pair& pair : pairs) ASSERT_TRUE(selector.register_fd(pair.fd(), event_write));
    for (Pair& pair : pairs) ASSERT_TRUE(selector.modify(pair.fd(), both, 1));
    if (round == 999) break;
    for (Pair& pair : pairs) ASSERT_TRUE(selector.unregister(pair.fd()));
  }
  EXPECT_EQ(count_told(selector), 3u);
}

}  // namespace
}  // namespace polyio
