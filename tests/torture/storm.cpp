#include "storm.hpp"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "faults.hpp"

namespace polyio::torture {
namespace {

std::atomic<unsigned> seen;

}  // namespace

unsigned Storm::handled() { return seen.load(); }

Storm::Storm() {
  const Exempt mine;
  struct sigaction action{};
  action.sa_handler = [](int) { seen.fetch_add(1, std::memory_order_relaxed); };
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGUSR1, &action, nullptr);
  thread_ = std::thread([this] { blow(); });
}

Storm::~Storm() {
  over_.store(true);
  thread_.join();
}

void Storm::blow() {
  const Exempt mine;
  const std::unique_ptr<DIR, int (*)(DIR*)> threads(::opendir("/proc/self/task"), ::closedir);
  while (!over_.load()) {
    ::rewinddir(threads.get());
    while (const dirent* const entry = ::readdir(threads.get())) {
      const int id = std::atoi(entry->d_name);
      if (id > 0 && id != ::gettid()) (void)::syscall(SYS_tgkill, ::getpid(), id, SIGUSR1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

}  // namespace polyio::torture
