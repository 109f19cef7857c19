// What the tests of both pools share: works that a worker process can run as well as a thread.
#pragma once

#include <unistd.h>

#include <polyio/exec/process_pool.hpp>
#include <polyio/exec/thread_pool.hpp>
#include <polyio/ipc/shared_memory.hpp>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio::exec_test {

inline int add(int a, int b) { return a + b; }

// Holds works until it is opened, in whatever process they run.
struct DoorWords {
  std::atomic<int> begun{0}, open{0}, passed{0};
  std::atomic<pid_t> pid{0};
};
using Door = ipc::Shared<DoorWords>;

inline void pass(const Door& door) {
  door->pid = ::getpid();
  ++door->begun;
  (void)test::eventually([&] { return door->open > 0; });
  ++door->passed;
}
inline bool begun(const Door& door, int count = 1) {
  return test::eventually([&] { return door->begun >= count; });
}

struct OnThreads {
  using Pool = ThreadPoolExecutor;
  static ThreadPoolOptions options(unsigned workers, std::size_t queue = 1000) {
    return {.threads = workers, .queue = queue};
  }
};
struct OnProcesses {
  using Pool = ProcessPoolExecutor;
  // By spawn: a test before this one may have left a thread.
  static ProcessPoolOptions options(unsigned workers, std::size_t queue = 1000) {
    return {.workers = workers, .queue = queue, .method = process::Method::spawn};
  }
};

// A pool of one worker, which is busy until the door is opened.
template <class On>
struct HeldPool {
  explicit HeldPool(std::size_t queue = 100) : pool(On::options(1, queue)) {
    first = pool.submit(pass, door);
    EXPECT_TRUE(begun(door));
  }
  // The rest would wait for the door too.
  ~HeldPool() { door->open = 1; }
  Door door;
  typename On::Pool pool;
  Future<> first;
};

}  // namespace polyio::exec_test
