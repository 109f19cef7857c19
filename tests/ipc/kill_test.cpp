// Kill torture of the primitives, on the real kernel: at every numbered step of every operation,
// and at random in a crowd. After each kill those that are left must show that they go on.
#include <sched.h>

#include <polyio/base/random.hpp>
#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/condition.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/semaphore.hpp>

#include "crash_kernel.hpp"
#include "forms.hpp"
#include "support/part.hpp"

namespace polyio::ipc::test {
namespace {

using namespace std::chrono_literals;
using K = CrashKernel;

// Says how many kills there were, and that nothing of the killed is left.
class KillTest : public NothingLeft {
 public:
  ~KillTest() override { RecordProperty("kills", std::to_string(kills_)); }
  // Lets a child do `work` and die before its step 0, 1, 2 ... until it comes to the end unharmed.
  // Each time `before` prepares, and `after` proves that the others go on.
  void at_every_step(const std::function<void()>& before, const std::function<void()>& work,
                     const std::function<void()>& after) {
    for (long step = 0;; ++step) {
      SCOPED_TRACE(step);
      before();
      os::ChildProcess child = fork_to([&] {
        K::steps_left = step;
        work();
        K::steps_left = -1;
        return HasFailure() ? 1 : 0;
      });
      const os::ExitStatus status = child.wait();
      kills_ += status.signal == SIGKILL;
      after();
      EXPECT_TRUE(status.signal == SIGKILL || status.code == 0) << status.text();
      if (HasFailure() || status.signal == 0) break;
      ASSERT_LT(step, 10'000);
    }
    EXPECT_GE(kills_, 3);
  }

 protected:
  long kills_ = 0;
};

// What a mutex protects: two halves, which a kill may leave apart.
struct Halves {
  Word<K> one, other;
  void advance(Previous previous) {
    if (previous == Previous::died) {
      other.store(one.load());
    } else {
      EXPECT_EQ(one.load(), other.load()) << "half written, and not reported";
    }
    one.fetch_add(1);
    other.fetch_add(1);
  }
};

template <class Lock>
struct Locked {
  Lock lock;
  Halves halves;
  std::atomic<int> done{0};
  void use() {
    const auto locked = lock.lock(soon_enough());
    ASSERT_TRUE(locked) << locked.error().message();
    halves.advance(*locked);
    EXPECT_TRUE(lock.unlock());
    ++done;
  }
};

template <class Lock>
void others_go_on(KillTest& test) {
  InSharedMemory<Locked<Lock>> shared;
  Processes waiters;
  test.at_every_step(
      [&] {
        shared->done = 0;
        for (int i = 0; i < 2; ++i) {
          waiters.start([&] {
            for (int k = 0; k < 5; ++k) shared->use();
          });
        }
      },
      [&] {
        shared->use();
        shared->use();
      },
      [&] {
        waiters.join();
        EXPECT_GE(shared->done, 10);
        shared->use();
      });
}

TEST_F(KillTest, AMutexsHolderWaiterOrWaker) { others_go_on<BasicMutex<K>>(*this); }
TEST_F(KillTest, AnRLocksHolderWaiterOrWaker) { others_go_on<BasicRLock<K>>(*this); }

TEST_F(KillTest, ASemaphoresReleaser) {
  InSharedMemory<BasicSemaphore<K>> semaphore(0u);
  Processes waiters;
  std::uint32_t before = 0;
  at_every_step(
      [&] {
        before = semaphore->value();
        for (int i = 0; i < 2; ++i) {
          waiters.start([&] { EXPECT_TRUE(semaphore->acquire(soon_enough())); });
        }
      },
      [&] {
        (void)semaphore->release();
        (void)semaphore->acquire(soon_enough());
      },
      [&] {
        EXPECT_TRUE(semaphore->release(2));
        waiters.join();
        // The killed one's own, or none.
        EXPECT_LE(semaphore->value(), before + 1);
      });
}

TEST_F(KillTest, ABoundedSemaphoresHolder) {
  InSharedMemory<BasicBoundedSemaphore<K>> places(3u);
  Processes waiters;
  at_every_step(
      [&] {
        waiters.start([&] {
          for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE(places->acquire(soon_enough()));
            EXPECT_TRUE(places->release());
          }
        });
      },
      [&] {
        for (int i = 0; i < 3; ++i) (void)places->acquire(soon_enough());
        for (int i = 0; i < 3; ++i) (void)places->release();
      },
      [&] {
        waiters.join();
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(places->acquire(soon_enough()));
        EXPECT_EQ(places->try_acquire().error(), errno_code(EAGAIN));
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(places->release());
      });
}

TEST_F(KillTest, AConditionsNotifierOrWaiter) {
  struct Shared {
    BasicMutex<K> mutex;
    BasicCondition<K> changed;
    int items = 0;
  };
  InSharedMemory<Shared> shared;
  Processes waiters;
  const auto take = [&] {
    auto held = shared->mutex.hold(soon_enough());
    ASSERT_TRUE(held);
    while (shared->items == 0) {
      const auto waited = shared->changed.wait(shared->mutex, soon_enough());
      ASSERT_TRUE(waited) << waited.error().message();
    }
    --shared->items;
  };
  const auto bring = [&](int count) {
    auto held = shared->mutex.hold(soon_enough());
    shared->items += count;
    K::shared_step();
    for (int i = 0; i < count; ++i) shared->changed.notify_one();
  };
  at_every_step(
      [&] {
        shared->items = 0;
        for (int i = 0; i < 2; ++i) waiters.start(take);
      },
      [&] {
        bring(2);
        take();
      },
      [&] {
        bring(2);
        waiters.join();
      });
}

TEST_F(KillTest, AnEventsSetter) {
  InSharedMemory<BasicEvent<K>> event;
  Processes waiters;
  at_every_step(
      [&] {
        for (int i = 0; i < 3; ++i) waiters.start([&] { EXPECT_TRUE(event->wait(soon_enough())); });
      },
      [&] { event->set(); },
      [&] {
        event->set();
        waiters.join();
        event->clear();
      });
}

TEST_F(KillTest, ABarriersParty) {
  using Place = InSharedMemory<BasicBarrier<K>>;
  std::unique_ptr<Place> barrier;
  Processes waiters;
  at_every_step(
      [&] {
        barrier = std::make_unique<Place>(3u);
        for (int i = 0; i < 2; ++i) {
          waiters.start([&] {
            // Passed, broken, or at its deadline where the killed one had never come.
            (void)(*barrier)->wait(deadline_after(monotonic_now(), 20ms));
            (void)(*barrier)->wait(deadline_after(monotonic_now(), 20ms));
          });
        }
      },
      [&] {
        (void)(*barrier)->wait(soon_enough());
        (void)(*barrier)->wait(soon_enough());
      },
      [&] {
        waiters.join();
        (*barrier)->reset();
        EXPECT_FALSE((*barrier)->broken());
      });
}

// A crowd that uses everything; one of it is killed at a random moment, again and again.
struct Crowd {
  static constexpr int size = 4;

  BasicMutex<SharedKernel> mutex;
  BasicRLock<SharedKernel> rlock;
  BasicBoundedSemaphore<SharedKernel> places{2};
  BasicSemaphore<SharedKernel> tokens{1};
  BasicCondition<SharedKernel> changed;
  std::uint64_t one = 0, other = 0;
  std::atomic<std::uint64_t> rounds[size] = {};
  std::atomic<bool> over{false};

  void round() {
    {
      auto held = mutex.hold(soon_enough());
      ASSERT_TRUE(held) << "mutex: " << held.error().message();
      if (held->previous() == Previous::died) other = one;
      ASSERT_EQ(one, other) << "half written, and not reported";
      ++one;
      std::atomic_signal_fence(std::memory_order_seq_cst);
      ++other;
      changed.notify_one();
    }
    {
      auto outer = rlock.hold(soon_enough());
      auto inner = rlock.hold(soon_enough());
      ASSERT_TRUE(outer && inner) << "rlock";
    }
    ASSERT_TRUE(places.acquire(soon_enough())) << "places";
    ASSERT_TRUE(places.release());
    ASSERT_TRUE(tokens.release());
    ASSERT_TRUE(tokens.acquire(soon_enough())) << "tokens";
    auto held = mutex.hold(soon_enough());
    ASSERT_TRUE(held) << "mutex: " << held.error().message();
    if (held->previous() == Previous::died) other = one;
    if (one % 64 == 0) {
      const auto told = changed.wait(mutex, deadline_after(monotonic_now(), 200us));
      if (told && *told == Previous::died) other = one;
    }
  }
  void work(int place) {
    while (!over) {
      round();
      if (testing::Test::HasFailure()) return;
      ++rounds[place];
    }
  }
};

void kill_at_random(std::uint64_t seed, int kills, long& killed) {
  InSharedMemory<Crowd> crowd;
  Random random(seed);
  std::vector<os::ChildProcess> workers(Crowd::size);
  const auto start = [&](int place) {
    workers[static_cast<std::size_t>(place)] = fork_to([&, place] {
      crowd->work(place);
      return testing::Test::HasFailure() ? 1 : 0;
    });
  };
  for (int i = 0; i < Crowd::size; ++i) start(i);
  for (int i = 0; i < kills && !testing::Test::HasFailure(); ++i) {
    const TimePoint moment = monotonic_now() + Nanoseconds(random.below(150'000));
    while (monotonic_now() < moment) ::sched_yield();
    const auto victim = static_cast<int>(random.below(Crowd::size));
    os::ChildProcess& worker = workers[static_cast<std::size_t>(victim)];
    worker.signal(SIGKILL);
    EXPECT_EQ(worker.wait().signal, SIGKILL) << "it had failed before, seed " << seed;
    ++killed;
    std::uint64_t seen[Crowd::size];
    for (int k = 0; k < Crowd::size; ++k) seen[k] = crowd->rounds[k];
    start(victim);
    const Deadline deadline = soon_enough();
    for (int k = 0; k < Crowd::size; ++k) {
      while (crowd->rounds[k] < seen[k] + 2 && monotonic_now() < deadline) ::sched_yield();
      EXPECT_GE(crowd->rounds[k], seen[k] + 2)
          << "no progress of " << k << " after kill " << i << ", seed " << seed;
    }
  }
  crowd->over = true;
  for (os::ChildProcess& worker : workers) {
    if (worker.pid()) {
      EXPECT_EQ(worker.wait().code, 0);
    }
  }
}

TEST_F(KillTest, AtRandomInACrowd) {
  kill_at_random(1, 200, kills_);
  EXPECT_EQ(kills_, 200);
}

class DeepKillTest : public KillTest {};

TEST_F(DeepKillTest, TwelveThousandAtRandom) {
  const polyio::test::Part part = polyio::test::part();
  long kills = 0;
  for (std::uint64_t seed = 100; seed < 130 && !HasFailure(); ++seed) {
    if (!part.has(seed)) continue;
    kill_at_random(seed, 400, kills_);
    kills += 400;
  }
  EXPECT_EQ(kills_, kills);
  EXPECT_TRUE(part.of > 1 || kills == 12'000);
}

}  // namespace
}  // namespace polyio::ipc::test
