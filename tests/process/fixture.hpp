// What the tests of room process share. The rule: every case leaves no child, no zombie, no
// descriptor and no thread, and children talk over Connections, so that no wait is by the clock.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/linux/process.hpp>
#include <polyio/process/pipe.hpp>
#include <polyio/process/process.hpp>
#include <string>

#include "support/eventually.hpp"
#include "support/left_over.hpp"

namespace polyio::process {

using namespace std::chrono_literals;

using test::eventually;
using test::open_fds;

// A deadline against a hang.
inline Deadline soon() { return monotonic_now() + 60s; }

// No child and no zombie of this process.
inline bool childless() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

inline void idle() {}

class ProcessTest : public testing::TestWithParam<Method> {
 protected:
  // What the first processes open for good: the lifeline.
  static void SetUpTestSuite() {
    Process first(Options{.daemon = true}, idle);
    ASSERT_TRUE(first.start());
    ASSERT_TRUE(first.join(soon()));
  }
  void SetUp() override {
    ::alarm(240);
    fds_ = open_fds();
  }
  void TearDown() override {
    EXPECT_TRUE(eventually(childless));
    EXPECT_TRUE(active_children().empty());
    EXPECT_EQ(open_fds(), fds_);
    EXPECT_EQ(os::count_threads(), 1u);
    ::alarm(0);
  }
  static Options options(std::string name = {}, bool daemon = false) {
    return {std::move(name), daemon, GetParam()};
  }

 private:
  std::size_t fds_ = 0;
};

inline std::string method_name(const testing::TestParamInfo<Method>& info) {
  return info.param == Method::fork ? "fork" : "spawn";
}
#define POLYIO_BY_FORK_AND_SPAWN(fixture) \
  INSTANTIATE_TEST_SUITE_P(By, fixture, testing::Values(Method::fork, Method::spawn), method_name)

// --- what children do ---

// Says that it is there, then waits for a word to go on, or for the end of its parent.
inline int say_and_wait(Connection connection) {
  if (!connection.send(::getpid())) return 2;
  const auto code = connection.receive<int>();
  return code ? *code : 3;
}
inline void wait_for_ever(Connection connection) {
  (void)connection.send(::getpid());
  for (;;) ::pause();
}

}  // namespace polyio::process
