// What a test must not leave: segments of shared memory, descriptors, children. Counted before and
// after, for this process and those it forked alone, because others may run beside.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <polyio/linux/process.hpp>
#include <set>
#include <sstream>
#include <string>

#include "support/eventually.hpp"
#include "support/left_over.hpp"

namespace polyio::ipc {

// The makers (shm_cpid) of the segments there are.
inline std::multiset<pid_t> segment_makers() {
  std::multiset<pid_t> makers;
  std::ifstream list("/proc/sysvipc/shm");
  std::string line;
  std::getline(list, line);
  while (std::getline(list, line)) {
    std::istringstream fields(line);
    std::string skipped;
    pid_t maker = 0;
    fields >> skipped >> skipped >> skipped >> skipped >> maker;
    makers.insert(maker);
  }
  return makers;
}

class NothingLeft : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(polyio::test::open_fds(), descriptors_);
    EXPECT_EQ(segment_makers().count(::getpid()), segments_);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  }

 private:
  std::size_t descriptors_ = polyio::test::open_fds();
  std::size_t segments_ = segment_makers().count(::getpid());
};

using polyio::test::eventually;

// Far away: a wait that long is a hang.
inline Deadline soon_enough() { return polyio::test::far_away(); }

// A child that runs `body`, which must fork from a process without threads.
inline os::ChildProcess fork_to(std::move_only_function<int()> body) {
  auto child = os::fork_child(std::move(body));
  if (!child) throw std::system_error(child.error(), "fork_child");
  return std::move(*child);
}

}  // namespace polyio::ipc
