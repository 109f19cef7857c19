// Twenty cars wait at a traffic light; at green all go. The cars are threads, or, with the argument
// `processes`, processes: the Event is in shared memory then.
#include <fmt/core.h>

#include <polyio/ipc/event.hpp>
#include <polyio/ipc/semaphore.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/process/process.hpp>
#include <polyio/process/thread.hpp>
#include <string_view>
#include <vector>

using namespace polyio;

struct Crossing {
  ipc::Event green;
  ipc::Semaphore waiting{0};
};

void drive(Crossing& crossing, int car) {
  (void)crossing.waiting.release();
  (void)crossing.green.wait();
  fmt::print("car {} runs\n", car);
  std::fflush(stdout);
}

template <class Runner>
int light(Crossing& crossing) {
  std::vector<Runner> cars;
  for (int car = 1; car <= 20; ++car) {
    cars.emplace_back([&crossing, car] { drive(crossing, car); });
    if (!cars.back().start()) return 1;
  }
  for (int i = 0; i < 20; ++i) (void)crossing.waiting.acquire();
  fmt::print("red: {} cars wait\n", cars.size());
  fmt::print("green\n");
  std::fflush(stdout);
  crossing.green.set();
  for (Runner& car : cars) (void)car.join();
  return 0;
}

int main(int argc, char** argv) {
  ipc::Shared<Crossing> crossing;
  if (argc > 1 && argv[1] == std::string_view("processes")) {
    return light<process::Process>(*crossing);
  }
  return light<process::Thread>(*crossing);
}
