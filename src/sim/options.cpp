#include <fmt/format.h>

#include <array>

#include "world.hpp"

namespace polyio {
namespace {

constexpr std::array<const char*, 18> note_names{
    "listen", "open",    "connect",   "connected", "accept", "send",
    "arrive", "receive", "shutdown",  "fin sent",  "close",  "reset",
    "fault",  "cancel",  "cancelled", "starve",    "timer",  "deadlock"};

// A number of the size of `low` to `high`, small ones as likely as large ones.
std::uint32_t magnitude(Random& random, std::uint32_t low, std::uint32_t high) {
  const auto scaled = low + static_cast<std::uint32_t>(random.below(high - low + 1));
  const auto shift = random.below(12);
  return std::max(low, scaled >> shift);
}

unsigned upto(Random& random, unsigned limit) {
  return static_cast<unsigned>(random.below(limit + 1));
}

void draw_network(SimOptions& options, Random& random, bool small) {
  options.window_min = small ? 1 : 1'024;
  options.window_max = magnitude(random, options.window_min * 16, small ? 4'096 : 262'144);
  options.segment_max = magnitude(random, small ? 1 : 64, 16'384);
  options.lease_size = magnitude(random, small ? 1 : 256, 16'384);
  options.delay_max = options.delay_min + Nanoseconds(magnitude(random, 1'000, 20'000'000));
  options.latency_max = Nanoseconds(magnitude(random, 1, 1'000'000));
}

void draw_endings(SimOptions& options, Random& random) {
  options.inline_completion = upto(random, 1000);
  options.readiness = upto(random, 1000);
  options.spurious_ready = upto(random, 300);
  options.short_count = upto(random, 1000);
  options.late_cancel = upto(random, 1000);
  options.success_wins = upto(random, 1000);
}

void draw_faults(SimOptions& options, Random& random) {
  options.reset = random.chance(1, 2) ? upto(random, 30) : 0;
  options.reset_discards = upto(random, 1000);
  options.accept_fault = random.chance(1, 2) ? upto(random, 400) : 0;
  options.open_fault = random.chance(1, 4) ? upto(random, 300) : 0;
  options.refused = random.chance(1, 4) ? upto(random, 300) : 0;
  options.unreachable = random.chance(1, 4) ? upto(random, 300) : 0;
  options.starvation = random.chance(1, 2) ? upto(random, 300) : 0;
}

}  // namespace

SimOptions SimOptions::from_seed(std::uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  Random random(seed ^ 0x6f7074696f6e7321u);
  const auto profile = random.below(3);
  draw_endings(options, random);
  if (profile == 0) {
    draw_network(options, random, false);
    return options;
  }
  options.profile = "bursty";
  options.stall = upto(random, 200);
  draw_network(options, random, random.chance(1, 2));
  if (profile == 1) return options;
  options.profile = "hostile";
  draw_faults(options, random);
  return options;
}

void SimTrace::write(TimePoint now, SimNote what, std::uint64_t id, std::uint64_t part,
                     std::int64_t amount) {
  const auto since_start = now - TimePoint(std::chrono::hours(1));
  sink(fmt::format("{:14.6f} ms  {:<9} {}{} {}", static_cast<double>(since_start.count()) / 1e6,
                   note_names.at(static_cast<std::size_t>(what)), part ? "server " : "client ", id,
                   amount));
}

}  // namespace polyio
