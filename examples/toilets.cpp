// A public toilet with five places and twenty people, each a process. All others wait while the
// five are taken, and the place of a person that dies inside becomes free again.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <polyio/ipc/semaphore.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/process/process.hpp>
#include <thread>
#include <vector>

using namespace polyio;

struct Toilets {
  ipc::BoundedSemaphore places{5};
  std::atomic<int> inside{0}, most{0}, served{0};
};

void visit(Toilets& toilets, int person) {
  if (!toilets.places.acquire()) return;
  const int inside = ++toilets.inside;
  for (int most = toilets.most; most < inside;) {
    if (toilets.most.compare_exchange_weak(most, inside)) break;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  --toilets.inside;
  if (person % 10 == 0) (void)std::raise(SIGKILL);  // never leaves
  ++toilets.served;
  (void)toilets.places.release();
}

int main() {
  ipc::Shared<Toilets> toilets;
  std::vector<process::Process> people;
  for (int person = 1; person <= 20; ++person) {
    people.emplace_back([=] { visit(*toilets, person); });
    if (!people.back().start()) return 1;
  }
  for (process::Process& person : people) (void)person.join();
  const auto died = std::ranges::count_if(people, [](auto& one) { return one.exitcode() == -9; });
  int places = 0;
  while (toilets->places.try_acquire()) ++places;
  fmt::print("served {}, died inside {}, most at once {}, places free {}\n", toilets->served.load(),
             died, toilets->most.load(), places);
  return 0;
}
