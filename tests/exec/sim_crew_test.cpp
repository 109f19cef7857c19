// Crew and WorkLine on the simulated kernel: all interleavings that the seeds draw of threads that
// submit, cancel, serve and close. A lost wake-up hangs the run, which then fails.
#include <polyio/exec/crew.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "sim_sync.hpp"

namespace polyio {
namespace {

using namespace exec_test;
using namespace ipc::test;

const std::uint64_t seeds = number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 200 : 2'000);

struct Work : detail::FutureState {
  Work& state() { return *this; }
  Work* next_in_line = nullptr;
  int runs = 0;
};

enum class Close : bool { when_all_have_ended, at_any_time };

// Two threads submit three works each, of which the first waits until the second has ended; another
// thread cancels some. The pool may have three threads, each started when it is wanted.
struct Pool {
  static constexpr std::size_t each = 3, count = 2 * each;
  static constexpr unsigned most = 3;

  Pool(bool spins, Close when) : crew(mutex, line, most, spins), close_at(when) {
    for (Work*& work : works) work = new Work;
  }
  ~Pool() {
    for (Work* const work : works) work->release();
  }
  void submit(std::size_t first) {
    for (std::size_t i = first; i < first + each; ++i) {
      Work& work = *works[i];
      work.share();
      const std::size_t in_line = line.post(work);
      if (in_line == 0) {
        refused += work.settle(Work::Phase::pending, errno_code(EPIPE));
        work.release();
        add_one(ended);
        continue;
      }
      auto called = crew.call(in_line, [this]() -> Result<> {
        set(started[next_thread++], 1);
        crew.join();
        return {};
      });
      EXPECT_TRUE(called);
    }
    add_one(submitters_done);
  }
  void cancel() {
    for (const std::size_t i : {1u, 5u, 3u}) {
      SimKernel::shared_step();
      if (!works[i]->cancel()) continue;
      ++cancelled;
      add_one(ended);
    }
  }
  void serve(unsigned number) {
    if (wait_for(started[number], 1) == 2) return;  // it was never wanted
    std::unique_lock lock(mutex);
    detail::Crew<Work, SimSync>::Member member;
    while (Work* const work = crew.next(lock, member)) {
      lock.unlock();
      if (work->begin()) run(*work);
      work->release();
      lock = SimSync::lock(mutex);
    }
  }
  void run(Work& work) {
    const auto number = static_cast<std::size_t>(std::ranges::find(works, &work) - works.begin());
    while (number % each == 0) {
      const std::uint32_t seen = ended.load();
      if (works[number + 1]->ended()) break;
      SimKernel::sleep(ended.futex(), seen, never);
    }
    ++work.runs;
    work.end();
    add_one(ended);
  }
  void close() {
    if (close_at == Close::when_all_have_ended) wait_for(ended, count);
    std::unique_lock lock(mutex);
    line.close();
    crew.wake_all();
    lock.unlock();
    wait_for(submitters_done, 2);
    for (Word& one : started) {
      if (one.load() == 0) set(one, 2);
    }
  }
  void check() {
    int runs = 0;
    for (const Work* const work : works) {
      runs += work->runs;
      EXPECT_LE(work->runs, 1);
      EXPECT_TRUE(work->ended());
    }
    EXPECT_EQ(runs + cancelled + refused, static_cast<int>(count));
    EXPECT_TRUE(refused == 0 || close_at == Close::at_any_time);
    EXPECT_EQ(line.pop(), nullptr);
    EXPECT_EQ(line.size(), 0u);
    EXPECT_EQ(crew.serving(), 0u);
  }

 private:
  using Word = ipc::Word<SimKernel>;
  static void set(Word& word, std::uint32_t value) {
    word.store(value);
    SimKernel::wake(word.futex(), INT_MAX);
  }
  static std::uint32_t wait_for(Word& word, std::uint32_t least) {
    for (;;) {
      const std::uint32_t seen = word.load();
      if (seen >= least) return seen;
      SimKernel::sleep(word.futex(), seen, never);
    }
  }
  static void add_one(Word& word) {
    word.fetch_add(1);
    SimKernel::wake(word.futex(), INT_MAX);
  }

  SimSync::Mutex mutex;
  detail::WorkLine<Work, SimSync> line{mutex, 100};
  detail::Crew<Work, SimSync> crew;
  const Close close_at;
  std::array<Work*, count> works;
  std::array<Word, most> started{};
  Word ended, submitters_done;
  unsigned next_thread = 0;
  int cancelled = 0, refused = 0;
};

void try_all(bool spins, Close when) {
  explore(
      [&](Simulation& sim) {
        auto pool = std::make_shared<Pool>(spins, when);
        for (std::size_t i = 0; i < 2; ++i) sim.process([=] { pool->submit(i * Pool::each); });
        for (unsigned i = 0; i < Pool::most; ++i) sim.process([=] { pool->serve(i); });
        sim.process([=] { pool->cancel(); });
        sim.process([=] { pool->close(); });
        return [=] { pool->check(); };
      },
      seeds, 0);
}

TEST(SimCrew, AThreadComesForEveryWork) { try_all(false, Close::when_all_have_ended); }
TEST(SimCrew, AThreadComesForEveryWorkWhereThreadsSpin) {
  try_all(true, Close::when_all_have_ended);
}
TEST(SimCrew, EveryWorkRunsOrIsRefusedWhenTheLineIsClosed) { try_all(true, Close::at_any_time); }

}  // namespace
}  // namespace polyio
