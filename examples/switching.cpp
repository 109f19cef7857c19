// When does switching between tasks help? Where they wait, and not where they compute. The same
// work is done by one task after the other, and by tasks that take turns on one thread.
// switching [MODEL]
#include <fmt/format.h>

#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>

using namespace polyio;
using namespace std::chrono_literals;

constexpr int tasks = 10, waits = 5, steps = 20'000;
volatile std::uint64_t sum = 0;  // of all steps: one thread, so no lock

Task<> wait(Io& io, bool) {
  for (int i = 0; i < waits; ++i) (void)co_await io.sleep(20ms);
}

Task<> compute(Io& io, bool switches) {
  for (int i = 0; i < steps; ++i) {
    for (int part = 0; part < 300; ++part) sum = sum * 31 + std::uint64_t(part);
    if (switches) (void)co_await io.yield();
  }
}

using Work = Task<>(Io&, bool);
Task<> measure(Io& io, const char* name, Work* work) {
  const TimePoint begin = monotonic_now();
  for (int i = 0; i < tasks; ++i) co_await work(io, false);
  const TimePoint between = monotonic_now();
  auto in_turns = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < tasks; ++i) (void)group.spawn(work, io, true);
    co_return;
  };
  co_await with_task_group(io, in_turns);
  const std::chrono::duration<double> alone = between - begin, turns = monotonic_now() - between;
  fmt::print("{:<10}{:>22.3f} s{:>14.3f} s{:>8.2f}\n", name, alone.count(), turns.count(),
             turns / alone);
  if (work == compute) {
    fmt::print("a switch costs {:.0f} ns\n", (turns - alone).count() * 1e9 / (tasks * steps));
  }
}

Task<> nothing() { co_return; }

Task<> measure_spawn(Io& io) {
  const TimePoint begin = monotonic_now();
  auto all = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 1000; ++i) (void)group.spawn(nothing);
    co_return;
  };
  co_await with_task_group(io, all);
  fmt::print("a spawn costs {} ns\n", (monotonic_now() - begin).count() / 1000);
}

int main(int argc, char** argv) {
  Io io(make_driver(argc > 1 ? argv[1] : "auto").value());
  fmt::print("{:<10}{:>24}{:>16}{:>8}\n", "10 tasks", "one after the other", "in turns", "ratio");
  io.run(measure(io, "waiting", wait));
  io.run(measure(io, "computing", compute));
  io.run(measure_spawn(io));
}
