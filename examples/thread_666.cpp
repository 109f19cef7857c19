// The tutorial's shared variable: a thread sets it to 666, and the main thread prints it. Before
// join() that is a race, 100 or 666 as the scheduler likes; after join() it is 666, always.
#include <atomic>
#include <cstdio>
#include <polyio/process/thread.hpp>

using polyio::process::Thread;

int main() {
  int early[2] = {0, 0};
  for (int round = 0; round < 1000; ++round) {
    std::atomic<int> money{100};  // atomic, because it is read while it may be written
    Thread thread([&] { money = 666; });
    if (!thread.start()) return 1;
    ++early[money == 666];
    if (!thread.join()) return 1;
    if (money != 666) return 1;
  }
  std::printf("before join: %d times 100, %d times 666\n", early[0], early[1]);
  std::printf("after join: 1000 times 666\n");
}
