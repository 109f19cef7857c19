// Crew: workers for the suites that run once with threads and once with processes. A process
// reports what failed by its exit code; in a worker nothing is asserted, it answers whether all was
// well.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "segments.hpp"

namespace polyio::ipc {

class ThreadCrew {
 public:
  void start(std::function<bool()> work) {
    threads_.emplace_back([this, does = std::move(work)] {
      if (!does()) ++failed_;
    });
  }
  // How many were not well.
  int join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return failed_.exchange(0);
  }

 private:
  std::vector<std::thread> threads_;
  std::atomic<int> failed_{0};
};

class ProcessCrew {
 public:
  void start(std::function<bool()> work) {
    children_.push_back(fork_to([does = std::move(work)] { return does() ? 0 : 1; }));
  }
  int join() {
    int failed = 0;
    for (os::ChildProcess& child : children_) {
      const os::ExitStatus status = child.wait();
      failed += status.code != 0 || status.signal != 0;
    }
    children_.clear();
    return failed;
  }

 private:
  std::vector<os::ChildProcess> children_;
};

}  // namespace polyio::ipc
