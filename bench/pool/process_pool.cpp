// A function that adds 1, called in two worker processes. bench/pools runs it beside
// process_pool.py. process_pool MODE COUNT: prints the rate, without pauses, and CPU per call.
//   sleeping  COUNT times: pause for 2 ms, so that both sides sleep; submit, wait for the result
//   calls     the same without pauses
//   map       map() over COUNT numbers
//   burst     submit COUNT calls, then wait for all results
//   killed    COUNT tasks, the fifth of which kills its process: prints how many gave a result
#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <numeric>
#include <polyio/exec/process_pool.hpp>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace polyio;

long add_one(long value) { return value + 1; }
long fifth_dies(long number) {
  if (number == 4) (void)std::raise(SIGKILL);
  return number;
}

double cpu_seconds() {
  double seconds = 0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(whose, &used);
    seconds += double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               double(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  }
  return seconds;
}

void expect(bool right) {
  if (!right) std::abort();
}

// How long it took, without pauses.
Nanoseconds run(ProcessPoolExecutor& pool, std::string_view mode, long count) {
  Nanoseconds pauses{0};
  const TimePoint begin = monotonic_now();
  if (mode == "map") {
    std::vector<long> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), 0);
    long next = 1;
    for (const Result<long>& result : pool.map(add_one, values)) expect(result == next++);
  } else if (mode == "burst") {
    std::vector<Future<long>> all;
    for (long i = 0; i < count; ++i) all.push_back(pool.submit(add_one, i));
    for (long i = 0; i < count; ++i) expect(all[std::size_t(i)].result() == i + 1);
  } else {
    for (long i = 0; i < count; ++i) {
      if (mode == "sleeping") {
        const TimePoint pause = monotonic_now();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        pauses += monotonic_now() - pause;
      }
      expect(pool.submit(add_one, i).result() == i + 1);
    }
  }
  return monotonic_now() - begin - pauses;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string_view mode = argv[1];
  const long count = std::atol(argv[2]);
  const double cpu = cpu_seconds();
  Nanoseconds took;
  {
    ProcessPoolExecutor pool({.workers = 2});
    if (mode == "killed") {
      std::vector<Future<long>> all;
      for (long i = 0; i < count; ++i) all.push_back(pool.submit(fifth_dies, i));
      long results = 0;
      for (const Future<long>& one : all) results += one.result() ? 1 : 0;
      fmt::print("{} of {}\n", results, count);
      return 0;
    }
    expect(pool.submit(add_one, 0).result() == 1);  // the workers are there
    took = run(pool, mode, count);
  }
  fmt::print("{{\"rate\": {:.0f}, \"cpu_ns\": {:.1f}}}\n",
             double(count) * 1e9 / double(took.count()),
             (cpu_seconds() - cpu) * 1e9 / double(count));
}
