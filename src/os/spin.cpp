#include <algorithm>
#include <polyio/os/spin.hpp>
#include <thread>

namespace polyio::os {
namespace {

constinit thread_local int spins_to_skip = 0, spins_in_vain = 0;

// Of those that the process may use.
bool several_processors() noexcept {
  static const bool several = std::thread::hardware_concurrency() > 1;
  return several;
}

}  // namespace

bool worth_spinning() noexcept {
  if (!several_processors()) return false;
  if (spins_to_skip == 0) return true;
  --spins_to_skip;
  return false;
}

void has_spun(bool in_vain) noexcept {
  spins_in_vain = in_vain ? std::min(spins_in_vain + 1, 16) : 0;
  spins_to_skip = spins_in_vain;
}

std::unique_lock<std::mutex> lock_spinning(std::mutex& mutex) {
  for (int looks = several_processors() ? 100 : 0; looks > 0; --looks) {
    if (std::unique_lock lock(mutex, std::try_to_lock); lock) return lock;
    pause();
  }
  return std::unique_lock(mutex);
}

}  // namespace polyio::os
