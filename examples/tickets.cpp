// Nine buyers, each a process, and three tickets. With the lock none is sold twice, even when
// buyers are killed while they hold it; without it more are sold than there are.
#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/process/process.hpp>
#include <thread>
#include <vector>

using namespace polyio;

struct Office {
  ipc::Mutex mutex;
  std::atomic<int> left{3}, sold{0};
};

// The office reads, thinks and writes: a buyer that reads meanwhile sees an old number.
void sell(Office& office, int buyer) {
  const int left = office.left;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (left == 0) return;
  if (buyer % 4 == 1) (void)std::raise(SIGKILL);  // dies holding the lock, without having paid
  office.left = left - 1;
  ++office.sold;
}

void buy(Office& office, int buyer, bool lock) {
  if (!lock) return sell(office, buyer);
  auto held = office.mutex.hold();  // Previous::died: a buyer was killed, nothing is half written
  if (held) sell(office, buyer);
}

int sell_to_all(bool lock) {
  ipc::Shared<Office> office;
  std::vector<process::Process> buyers;
  for (int buyer = 1; buyer <= 9; ++buyer) {
    buyers.emplace_back([=] { buy(*office, buyer, lock); });
    if (!buyers.back().start()) return -1;
  }
  for (process::Process& buyer : buyers) (void)buyer.join();
  return office->sold;
}

int main() {
  const int with = sell_to_all(true), without = sell_to_all(false);
  fmt::print("with the lock: 3 tickets, {} sold\n", with);
  fmt::print("without it: 3 tickets, {} sold\n", without);
  return with == 3 ? 0 : 1;
}
