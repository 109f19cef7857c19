#include "real_time_signals.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>

namespace polyio {
namespace {

constexpr int left_to_others = 3;  // SIGRTMAX and the two below

std::atomic<std::uint64_t> taken{0};  // bit n: signal n + 1

constexpr std::uint64_t bit_of(int number) noexcept { return std::uint64_t{1} << (number - 1); }

bool has_handler(int number) noexcept {
  struct sigaction action{};
  if (::sigaction(number, nullptr, &action) != 0) return true;
  return (action.sa_flags & SA_SIGINFO) != 0 ||
         (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

}  // namespace

int take_real_time_signal() noexcept {
  for (int number = SIGRTMIN; number <= SIGRTMAX - left_to_others; ++number) {
    if ((taken.load() & bit_of(number)) != 0 || has_handler(number)) continue;
    if ((taken.fetch_or(bit_of(number)) & bit_of(number)) != 0) continue;
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(number, &ignore, nullptr);
    return number;
  }
  return -1;
}

void give_back_real_time_signal(int number) noexcept { taken.fetch_and(~bit_of(number)); }

}  // namespace polyio
