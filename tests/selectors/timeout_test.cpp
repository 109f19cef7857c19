// How long select() waits, and what ends a wait.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdlib>
#include <polyio/os/wakeup.hpp>
#include <thread>

#include "../../src/selectors/wait_time.hpp"
#include "kinds.hpp"

namespace polyio {
namespace {

class TimeoutTest : public SelectorTest {};
INSTANTIATE_TEST_SUITE_P(Every, TimeoutTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(TimeoutTest, ZeroAndNegativeDoNotWait) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  // A wait for ever, or of 292 years, would hang here.
  for (Nanoseconds timeout :
       {Nanoseconds(0), Nanoseconds(-1), Nanoseconds(-1h), Nanoseconds::min()}) {
    EXPECT_EQ(selector->select(timeout).value().size(), hints() ? 1u : 0u) << timeout.count();
  }
  pair.send();
  EXPECT_EQ(selector->select(-1s).value().size(), 1u);
}

TEST_P(TimeoutTest, FractionalIsNeverEarly) {
  POLYIO_SKIP_HINTS();
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  for (Nanoseconds timeout : {Nanoseconds(1), Nanoseconds(999'999), Nanoseconds(1'500us),
                              Nanoseconds(2'000'001), Nanoseconds(20'300us)}) {
    const auto start = monotonic_now();
    EXPECT_EQ(selector->select(timeout).value().size(), 0u);
    EXPECT_GE(monotonic_now() - start, timeout);
  }
}

TEST_P(TimeoutTest, NothingRegisteredWaitsToo) {
  const auto start = monotonic_now();
  EXPECT_EQ(selector->select(5ms).value().size(), 0u);
  EXPECT_GE(monotonic_now() - start, 5ms);
}

TEST_P(TimeoutTest, NoneWaitsForTheEvent) {
  using Kind = os::Wakeup::Kind;
  os::Wakeup wakeup(GetParam().takes_eventfds ? Kind::eventfd : Kind::pipe);
  ASSERT_TRUE(selector->register_fd(wakeup.fd(), event_read, 11));
  std::thread other([&] { wakeup.signal(); });
  auto events = selector->select().value();
  other.join();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key.data, 11u);
}

TEST_P(TimeoutTest, LongestWaitsForTheEvent) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_write));
  ASSERT_TRUE(selector->modify(pair.fd(), event_read, 0));
  EXPECT_EQ(selector->select(Nanoseconds::max()).value().size(), 1u);
}

TEST_P(TimeoutTest, ASignalEndsTheWaitWithoutEvents) {
  POLYIO_SKIP_HINTS();
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  const Alarms repeat;
  for (Timeout timeout : {Timeout(), Timeout(1h)}) {
    auto events = selector->select(timeout);  // an EINTR swallowed would hang here
    ASSERT_TRUE(events) << events.error().message();
    EXPECT_EQ(events->size(), 0u);
  }
  EXPECT_GT(alarms, 0);
}

TEST(TimeoutUntil, CountsFromNow) {
  const TimePoint now{5s};
  EXPECT_EQ(timeout_until(never, now), std::nullopt);
  EXPECT_EQ(timeout_until(now + 3ns, now), Timeout(3ns));
  EXPECT_EQ(timeout_until(now, now), no_wait);
  EXPECT_EQ(timeout_until(TimePoint{1s}, now), no_wait);
}

Nanoseconds in_nanoseconds(const std::timespec& spec) {
  return std::chrono::seconds(spec.tv_sec) + Nanoseconds(spec.tv_nsec);
}

// A wait that goes on after a closed fd came up has only the rest of its time.
TEST(WaitTime, CountsDownOverOneWait) {
  WaitTime time(1'000'000'500us);
  const auto start = monotonic_now();
  EXPECT_EQ(in_nanoseconds(*time.left()), 1'000'000'500us);
  while (monotonic_now() - start < 1ms) {
  }
  EXPECT_LE(in_nanoseconds(*time.left()), 999'999'500us);
  WaitTime brief(1us);
  const auto brief_start = monotonic_now();
  EXPECT_EQ(in_nanoseconds(*brief.left()), 1us);
  while (monotonic_now() - brief_start < 1us) {
  }
  EXPECT_EQ(in_nanoseconds(*brief.left()), 0ns);
  WaitTime forever(std::nullopt);
  EXPECT_EQ(forever.left(), nullptr);
  EXPECT_EQ(forever.left(), nullptr);
}

// Makes one system call fail for this process, for good: only in a child.
bool deny(unsigned call, unsigned error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum Verdict : int { good = 0, bad = 1, no_seccomp = 2, crashed = 3 };

template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) std::_Exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : crashed;
}

class DeniedTest : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Errors, DeniedTest, testing::Values(ENOSYS, EPERM));

TEST_P(DeniedTest, MillisecondsAreRoundedUpWithoutEpollPwait2) {
  const int verdict = in_child([] {
    if (!deny(SYS_epoll_pwait2, GetParam())) return no_seccomp;
    EpollSelector selector;
    Pair pair;
    if (!selector.register_fd(pair.fd(), event_read)) return bad;
    for (Nanoseconds timeout : {Nanoseconds(1), Nanoseconds(1'500us), Nanoseconds(-5s)}) {
      const auto start = monotonic_now();
      auto events = selector.select(timeout);
      if (!events || !events->empty() || monotonic_now() - start < timeout) return bad;
    }
    pair.send();
    for (Timeout timeout : {Timeout(), Timeout(Nanoseconds::max()), no_wait}) {
      auto events = selector.select(timeout);
      if (!events || events->size() != 1) return bad;
    }
    return good;
  });
  if (verdict == no_seccomp) GTEST_SKIP() << "no seccomp filters here";
  EXPECT_EQ(verdict, good);
}

TEST_P(DeniedTest, DefaultSelectorFallsBackToPoll) {
  const int verdict = in_child([] {
    if (!deny(SYS_epoll_create1, GetParam())) return no_seccomp;
    return std::string_view(default_selector()->name()) == "poll" ? good : bad;
  });
  if (verdict == no_seccomp) GTEST_SKIP() << "no seccomp filters here";
  EXPECT_EQ(verdict, good);
}

}  // namespace
}  // namespace polyio
