// Short works behind long ones that saturate a pool of a thread per core: how long they take from
// submit to done, and what the pool gets done, under fcfs, under mlfq, and with two pools that were
// told which is which. The long ones compute for about 100 ms and are submitted anew as they end,
// four per core at any time; a short one of about 50 us comes every 2 ms. Rounds of all pools in
// turn, medians over the rounds. Arguments: seconds per round (4), rounds (5),
// microseconds of mlfq's quantum.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <polyio/base/clock.hpp>
#include <polyio/exec/thread_pool.hpp>
#include <polyio/os/thread.hpp>
#include <semaphore>
#include <thread>
#include <vector>

namespace {

using namespace polyio;
using namespace std::chrono_literals;

// A piece of computing, which the compiler can't leave out; pieces per millisecond of a free core.
void piece() {
  for (unsigned i = 0; i < 1000; ++i) asm volatile("" : "+r"(i));
}
std::size_t pieces_per_ms = 0;
void calibrate() {
  const auto thread = os::ThreadReference::current();
  const Nanoseconds start = thread.processor_time();
  std::size_t pieces = 0;
  for (; thread.processor_time() - start < 100ms; pieces += 10) {
    for (int i = 0; i < 10; ++i) piece();
  }
  pieces_per_ms = pieces / 100;
}

struct Measured {
  double median = 0, p99 = 0, most = 0;  // ms
  double work = 0;                       // ms of a core's computing per ms
  double per_cpu = 0;                    // and per ms of processor time
};

double used_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

struct Pools {
  ThreadPoolExecutor& for_long;
  ThreadPoolExecutor& for_short;
};

class Round {
 public:
  Round(Pools pools, Nanoseconds span) : pools_(pools), span_(span) {}
  Measured run() {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < 4 * cores; ++i) submit_long();
    std::this_thread::sleep_for(500ms);  // until they are on their way
    pieces_ = 0;
    const double used_before = used_ms();
    const TimePoint start = monotonic_now();
    std::vector<Nanoseconds> took(static_cast<std::size_t>(span_ / 2ms));
    std::vector<Future<>> shorts;
    for (std::size_t i = 0; i < took.size(); ++i) {
      std::this_thread::sleep_until(start + (i + 1) * 2ms);
      shorts.push_back(pools_.for_short.submit([this, &mine = took[i], from = monotonic_now()] {
        compute(pieces_per_ms / 20);
        mine = monotonic_now() - from;
      }));
    }
    const double done = static_cast<double>(pieces_) / static_cast<double>(pieces_per_ms);
    const double used = used_ms() - used_before;
    const Nanoseconds span = monotonic_now() - start;
    over_ = true;
    (void)wait(shorts);
    for (unsigned i = 0; i < 4 * cores; ++i) ended_.acquire();
    std::ranges::sort(took);
    const auto ms = [](Nanoseconds one) { return static_cast<double>(one.count()) / 1e6; };
    return {ms(took[took.size() / 2]), ms(took[took.size() * 99 / 100]), ms(took.back()),
            done / ms(span), done / used};
  }

 private:
  void submit_long() {
    (void)pools_.for_long.submit([this] {
      compute(100 * pieces_per_ms);
      over_ ? ended_.release() : submit_long();
    });
  }
  void compute(std::size_t pieces) {
    for (std::size_t at = 0; at < pieces && !over_;) {
      const std::size_t some = std::min<std::size_t>(pieces - at, 200);
      for (std::size_t i = 0; i < some; ++i) piece();
      pieces_.fetch_add(some, std::memory_order_relaxed);
      at += some;
    }
  }

  Pools pools_;
  Nanoseconds span_;
  std::atomic<std::size_t> pieces_{0};
  std::atomic<bool> over_{false};
  std::counting_semaphore<> ended_{0};
};

Nanoseconds quantum = ThreadPoolOptions().quantum;

Measured with_one(sched::Kind policy, Nanoseconds span) {
  ThreadPoolExecutor pool({.policy = policy, .quantum = quantum});
  return Round({pool, pool}, span).run();
}

// Threads for the long ones at nice 19, or demoted like those of mlfq.
Measured with_two(bool demoted, Nanoseconds span) {
  ThreadPoolExecutor for_short, for_long({.nice = demoted ? 0 : 19});
  if (demoted) {
    std::vector<Future<>> all;
    for (std::size_t i = 0; i < for_long.capacity(); ++i) {
      all.push_back(for_long.submit([&] {
        os::ThreadReference::current().demote();
        while (for_long.threads() < for_long.capacity()) std::this_thread::yield();
      }));
    }
    (void)wait(all);
  }
  return Round({for_long, for_short}, span).run();
}

double median(std::vector<Measured>& all, double Measured::* of) {
  std::ranges::sort(all, {}, of);
  return all[all.size() / 2].*of;
}

}  // namespace

int main(int argc, char** argv) {
  const auto span = std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 4);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  if (argc > 3) quantum = std::chrono::microseconds(std::atoi(argv[3]));
  calibrate();
  struct Row {
    const char* name;
    std::function<Measured()> run;
    std::vector<Measured> all;
  };
  Row rows[] = {{"fcfs", [&] { return with_one(sched::Kind::fcfs, span); }, {}},
                {"mlfq", [&] { return with_one(sched::Kind::mlfq, span); }, {}},
                {"told, nice 19", [&] { return with_two(false, span); }, {}},
                {"told, SCHED_IDLE", [&] { return with_two(true, span); }, {}}};
  for (int i = 0; i < rounds; ++i) {
    for (Row& row : rows) row.all.push_back(row.run());
  }
  fmt::print("{:18} {:>12} {:>12} {:>12} {:>12} {:>12}\n", "short works", "median", "p99", "most",
             "work done", "per CPU time");
  for (Row& row : rows) {
    fmt::print("{:18} {:>9.3f} ms {:>9.3f} ms {:>9.1f} ms {:>6.2f} cores {:>12.3f}\n", row.name,
               median(row.all, &Measured::median), median(row.all, &Measured::p99),
               median(row.all, &Measured::most), median(row.all, &Measured::work),
               median(row.all, &Measured::per_cpu));
  }
}
