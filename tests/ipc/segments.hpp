// What a test must not leave: segments of shared memory, descriptors, children. Counted before and
// after, for this process and those it forked alone, because others may run beside.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <polyio/base/clock.hpp>
#include <polyio/linux/process.hpp>
#include <set>
#include <sstream>
#include <string>

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

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += !entry.path().empty();
  }
  return count;
}

class NothingLeft : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(open_descriptors(), descriptors_);
    EXPECT_EQ(segment_makers().count(::getpid()), segments_);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  }

 private:
  std::size_t descriptors_ = open_descriptors();
  std::size_t segments_ = segment_makers().count(::getpid());
};

// Far away: a wait that long is a hang.
inline Deadline soon_enough() { return deadline_after(monotonic_now(), std::chrono::seconds(60)); }

template <class Condition>
bool eventually(Condition holds) {
  const Deadline until = soon_enough();
  while (!holds()) {
    if (monotonic_now() > until) return false;
    ::usleep(1000);
  }
  return true;
}

// A child that runs `body`, which must fork from a process without threads.
inline os::ChildProcess fork_to(std::move_only_function<int()> body) {
  auto child = os::fork_child(std::move(body));
  if (!child) throw std::system_error(child.error(), "fork_child");
  return std::move(*child);
}

}  // namespace polyio::ipc
