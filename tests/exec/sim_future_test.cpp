// FuturePhase on the simulated kernel: all interleavings that the seeds draw of those that begin,
// cancel, set, wait for and call back a future. One of those that would end it does, and nothing
// that waits is forgotten: that would hang the run, which then fails.
#include <polyio/exec/future_phase.hpp>

#include <memory>
#include <vector>

#include "sim_sync.hpp"

namespace polyio {
namespace {

using namespace exec_test;
using ipc::test::Simulation;

const std::uint64_t seeds = ipc::test::number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 200 : 1'000);

// A future with what waits for it, in the words of FutureState.
class SimFuture {
 public:
  using Phase = detail::FuturePhase<SimSync>;

  // A pool's work: nothing else ends it once it has begun.
  void run() {
    if (phase_.move(Phase::pending, Phase::running)) end(1);
  }
  void cancel() {
    if (phase_.move(Phase::pending, Phase::claimed)) end(2);
  }
  // A promise, which any number of threads may set.
  void begin() { began_ = phase_.move(Phase::pending, Phase::running); }
  void set(int outcome) {
    if (phase_.claim()) end(outcome);
  }
  void wait() {
    std::unique_lock lock(mutex_);
    if (!phase_.ended_or_marked()) {
      ++waiting_;
      woken_.wait(lock, [this] { return wakes_ > 0; });
    }
    EXPECT_EQ(phase_.now(), Phase::ended);
    EXPECT_EQ(outcomes_.size(), 1u);
    ++waited_;
  }
  void on_done() {
    std::unique_lock lock(mutex_);
    if (!phase_.ended_or_marked()) {
      ++callbacks_;
      return;
    }
    lock.unlock();
    call();
  }
  void check(int waits, int callbacks) const {
    ASSERT_EQ(outcomes_.size(), 1u);
    EXPECT_FALSE(began_ && outcomes_[0] == 2) << "cancelled after it had begun";
    EXPECT_EQ(waited_, waits);
    EXPECT_EQ(called_, callbacks);
  }

 private:
  void end(int outcome) {
    outcomes_.push_back(outcome);
    SimKernel::shared_step();
    if (!phase_.end()) return;
    std::unique_lock lock(mutex_);
    wakes_ = std::exchange(waiting_, 0);
    woken_.notify_all();
    const int callbacks = std::exchange(callbacks_, 0);
    lock.unlock();
    for (int i = 0; i < callbacks; ++i) call();
  }
  void call() {
    EXPECT_EQ(outcomes_.size(), 1u);
    ++called_;
  }

  Phase phase_;
  SimSync::Mutex mutex_;
  SimSync::Condition woken_;
  int waiting_ = 0, wakes_ = 0, waited_ = 0, callbacks_ = 0, called_ = 0;
  bool began_ = false;
  std::vector<int> outcomes_;
};

template <class... Body>
void try_all(Body... bodies) {
  ipc::test::explore(
      [&](Simulation& sim) {
        auto future = std::make_shared<SimFuture>();
        (sim.process([=] { bodies(*future); }), ...);
        for (int i = 0; i < 2; ++i) {
          sim.process([=] { future->wait(); });
          sim.process([=] { future->on_done(); });
        }
        return [=] { future->check(2, 2); };
      },
      seeds, 0);
}

TEST(SimFuture, AWorkRunsOrIsCancelledOnce) {
  try_all([](SimFuture& future) { future.run(); }, [](SimFuture& future) { future.cancel(); },
          [](SimFuture& future) { future.cancel(); });
}

TEST(SimFuture, APromiseIsSetOnce) {
  try_all([](SimFuture& future) { future.begin(); }, [](SimFuture& future) { future.set(3); },
          [](SimFuture& future) { future.set(4); }, [](SimFuture& future) { future.cancel(); });
}

}  // namespace
}  // namespace polyio
