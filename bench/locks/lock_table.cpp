// lock_table: what locks cost. A mutex of polyio::threads beside std::mutex, uncontended; a row of
// a LockTable, uncontended and fought for by two processes; and how long a deadlock of 2 and of 8
// processes lasts: from the call that closes the cycle to the error of the one that gives way,
// which sleeps in another process.
//
//   build/bench/bench/lock_table [ROUNDS]      200 deadlocks each if not given
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/locks/lock_table.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace polyio;
using namespace std::chrono_literals;
using ipc::LockMode;

double ns_since(TimePoint begin) { return static_cast<double>((monotonic_now() - begin).count()); }

// The best of thirty, in ns per call.
template <class Work>
double best(int calls, Work work) {
  double least = 1e18;
  for (int i = 0; i < 30; ++i) {
    const TimePoint begin = monotonic_now();
    for (int call = 0; call < calls; ++call) work();
    least = std::min(least, ns_since(begin) / calls);
  }
  return least;
}

void mutexes() {
  // glibc's mutex leaves the locked instructions out while there is one thread.
  threads::Event end;
  const std::jthread second([&] { (void)end.wait(); });
  std::mutex standard;
  threads::Mutex ours;
  ipc::Mutex shared;
  const double theirs = best(200'000, [&] {
    standard.lock();
    standard.unlock();
  });
  const double of_threads = best(200'000, [&] {
    (void)ours.lock();
    (void)ours.unlock();
  });
  const double of_processes = best(200'000, [&] {
    (void)shared.lock();
    (void)shared.unlock();
  });
  end.set();
  std::printf(
      "lock and unlock: std::mutex %.1f ns, threads::Mutex %.1f ns (%.2f), ipc::Mutex %.1f ns\n",
      theirs, of_threads, of_threads / theirs, of_processes);
}

void rows() {
  ipc::LockTable table;
  auto session = table.begin("alone").value();
  const double alone = best(20'000, [&] {
    (void)session.lock({"t", 1}, LockMode::X);
    (void)session.unlock({"t", 1});
  });
  std::printf("lock and unlock of a row: %.0f ns uncontended", alone);
  constexpr int calls = 20'000;
  const auto work = [&] {
    auto mine = table.begin("one of two").value();
    for (int i = 0; i < calls; ++i) {
      (void)mine.lock({"t", 1}, LockMode::X);
      (void)mine.unlock({"t", 1});
    }
    return 0;
  };
  const TimePoint begin = monotonic_now();
  auto one = os::fork_child(work).value();
  auto other = os::fork_child(work).value();
  one.wait();
  other.wait();
  std::printf(", %.0f ns fought for by two processes\n", ns_since(begin) / (2 * calls));
}

struct Meeting {
  explicit Meeting(std::uint32_t parties) : all(parties) {}
  ipc::Barrier all;
  std::atomic<std::uint64_t> turn{0};
  std::atomic<std::int64_t> closed{0}, failed{0};
};

void deadlocks(std::uint64_t count, int rounds) {
  ipc::LockTable table;
  ipc::Shared<Meeting> meeting(std::in_place, static_cast<std::uint32_t>(count) + 1);
  std::vector<os::ChildProcess> children;
  for (std::uint64_t i = 0; i < count; ++i) {
    children.push_back(os::fork_child([&, i] {
                         while (meeting->turn.load() != i) std::this_thread::yield();
                         auto session = table.begin("process " + std::to_string(i)).value();
                         meeting->turn.fetch_add(1);
                         for (int round = 0; round < rounds; ++round) {
                           (void)session.lock({"t", i}, LockMode::X);
                           (void)meeting->all.wait();
                           if (i == 0) {  // the oldest closes the cycle, once all others sleep
                             std::this_thread::sleep_for(2ms);
                             meeting->closed = monotonic_now().time_since_epoch().count();
                           }
                           if (!session.lock({"t", (i + 1) % count}, LockMode::X)) {
                             meeting->failed = monotonic_now().time_since_epoch().count();
                           }
                           (void)session.release_all();
                           (void)meeting->all.wait();
                         }
                         return 0;
                       }).value());
  }
  std::vector<double> spans;
  for (int round = 0; round < rounds; ++round) {
    (void)meeting->all.wait();
    (void)meeting->all.wait();
    spans.push_back(static_cast<double>(meeting->failed - meeting->closed) / 1e6);
  }
  for (auto& child : children) child.wait();
  std::ranges::sort(spans);
  std::printf("deadlock of %llu processes, until one fails: median %.3f ms, max %.3f ms\n",
              static_cast<unsigned long long>(count), spans[spans.size() / 2], spans.back());
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 200;
  mutexes();
  rows();
  for (const std::uint64_t count : {2, 8}) deadlocks(count, rounds);
}
