// A thousand tasks on one thread, each asleep for a second: together they take one second.
// sleepers [COUNT [MILLISECONDS [MODEL]]]
#include <fmt/format.h>

#include <cstdlib>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>

using namespace polyio;

Task<> sleeper(Io& io, std::chrono::milliseconds span, int& rested) {
  auto slept = co_await io.sleep(span);
  if (slept) ++rested;
}

Task<> sleep_all(Io& io, int count, std::chrono::milliseconds span) {
  int rested = 0;
  const TimePoint before = monotonic_now();
  auto all = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < count; ++i) (void)group.spawn(sleeper, io, span, rested);
    co_return;
  };
  co_await with_task_group(io, all);
  const std::chrono::duration<double> took = monotonic_now() - before;
  fmt::print("{} of {} slept {} ms each, in {:.3f} s\n", rested, count, span.count(), took.count());
}

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1000;
  const std::chrono::milliseconds span(argc > 2 ? std::atoi(argv[2]) : 1000);
  Io io(make_driver(argc > 3 ? argv[3] : "auto").value());
  io.run(sleep_all(io, count, span));
}
