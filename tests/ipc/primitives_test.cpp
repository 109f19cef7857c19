// The contracts of Semaphore, BoundedSemaphore, Condition, Event and Barrier, in every form.
#include <unistd.h>

#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/condition.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/semaphore.hpp>

#include "forms.hpp"

namespace polyio::ipc::test {
namespace {

using namespace std::chrono_literals;

template <class Form>
class PrimitiveTest : public testing::Test {
 public:
  template <class T>
  using Place = typename Form::template Place<T>;
};
TYPED_TEST_SUITE(PrimitiveTest, Forms, FormName);

Deadline soon() { return deadline_after(monotonic_now(), 5ms); }

// Twenty tasks, five places: the first five wait inside for each other, so the peak is five.
template <class Form, class Places>
void peak_is_five() {
  using K = typename Form::Kernel;
  struct Shared {
    Places places{5};
    BasicEvent<K> five_inside;
    std::atomic<int> inside{0}, peak{0}, served{0};
  };
  typename Form::template Place<Shared> shared;
  typename Form::Workers workers;
  for (int i = 0; i < 20; ++i) {
    workers.start([&] {
      ASSERT_TRUE(shared->places.acquire(soon_enough()));
      const int now = ++shared->inside;
      int peak = shared->peak;
      while (peak < now && !shared->peak.compare_exchange_weak(peak, now)) {
      }
      if (now == 5) shared->five_inside.set();
      EXPECT_TRUE(shared->five_inside.wait(soon_enough()));
      --shared->inside;
      ++shared->served;
      EXPECT_TRUE(shared->places.release());
    });
  }
  workers.join();
  EXPECT_EQ(shared->peak, 5);
  EXPECT_EQ(shared->served, 20);
  EXPECT_EQ(shared->places.value(), 5u);
}

TYPED_TEST(PrimitiveTest, ASemaphoreOfFivePeaksAtFive) {
  peak_is_five<TypeParam, BasicSemaphore<typename TypeParam::Kernel>>();
}
TYPED_TEST(PrimitiveTest, ABoundedSemaphoreOfFivePeaksAtFive) {
  peak_is_five<TypeParam, BasicBoundedSemaphore<typename TypeParam::Kernel>>();
}

TYPED_TEST(PrimitiveTest, ASemaphoreCounts) {
  BasicSemaphore<typename TypeParam::Kernel> semaphore(2);
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_TRUE(semaphore.try_acquire());
  EXPECT_EQ(semaphore.try_acquire().error(), errno_code(EAGAIN));
  EXPECT_EQ(semaphore.acquire(soon()).error(), std::errc::timed_out);
  EXPECT_TRUE(semaphore.release(3));
  EXPECT_EQ(semaphore.value(), 3u);
  EXPECT_EQ(semaphore.release(semaphore.max).error(), std::errc::value_too_large);
  EXPECT_EQ(semaphore.value(), 3u);
}

TYPED_TEST(PrimitiveTest, ABoundedSemaphoreTakesBackOnlyWhatItGave) {
  BasicBoundedSemaphore<typename TypeParam::Kernel> semaphore(2);
  EXPECT_EQ(semaphore.release().error(), errno_code(EPERM));
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_EQ(semaphore.try_acquire().error(), errno_code(EAGAIN));
  EXPECT_EQ(semaphore.acquire(soon()).error(), std::errc::timed_out);
  EXPECT_TRUE(semaphore.release());
  EXPECT_TRUE(semaphore.release());
  EXPECT_EQ(semaphore.release().error(), errno_code(EPERM));
  EXPECT_EQ(semaphore.value(), 2u);
}

TYPED_TEST(PrimitiveTest, ASemaphoreMayBeReleasedByAnother) {
  typename TestFixture::template Place<BasicSemaphore<typename TypeParam::Kernel>> semaphore(0u);
  typename TypeParam::Workers workers;
  workers.start([&] { EXPECT_TRUE(semaphore->release(3)); });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(semaphore->acquire(soon_enough()));
  EXPECT_EQ(semaphore->value(), 0u);
}

// The tutorial's traffic light: twenty cars wait, none goes before it is green, all go then.
TYPED_TEST(PrimitiveTest, TwentyCarsWaitForTheLight) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicEvent<K> light;
    BasicSemaphore<K> waiting{0};
    std::atomic<bool> green{false};
    std::atomic<int> gone{0};
  };
  typename TestFixture::template Place<Shared> shared;
  typename TypeParam::Workers workers;
  for (int i = 0; i < 20; ++i) {
    workers.start([&] {
      (void)shared->waiting.release();
      EXPECT_TRUE(shared->light.wait(soon_enough()));
      EXPECT_TRUE(shared->green) << "a car went at red";
      ++shared->gone;
    });
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(shared->waiting.acquire(soon_enough()));
  EXPECT_EQ(shared->gone, 0);
  shared->green = true;
  shared->light.set();
  workers.join();
  EXPECT_EQ(shared->gone, 20);
}

TYPED_TEST(PrimitiveTest, AnEventStaysSetUntilItIsCleared) {
  BasicEvent<typename TypeParam::Kernel> event;
  EXPECT_EQ(event.wait(soon()).error(), std::errc::timed_out);
  event.set();
  event.set();
  EXPECT_TRUE(event.is_set());
  EXPECT_TRUE(event.wait());
  EXPECT_TRUE(event.wait());
  event.clear();
  event.clear();
  EXPECT_FALSE(event.is_set());
  EXPECT_EQ(event.wait(soon()).error(), std::errc::timed_out);
}

TYPED_TEST(PrimitiveTest, AConditionMissesNoChange) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicMutex<K> mutex;
    BasicCondition<K> changed;
    int items = 0, taken = 0;
  };
  typename TestFixture::template Place<Shared> shared;
  typename TypeParam::Workers workers;
  constexpr int all = 3'000;
  for (int i = 0; i < 3; ++i) {
    workers.start([&] {
      for (int k = 0; k < all / 3; ++k) {
        auto held = shared->mutex.hold();
        const auto there =
            shared->changed.wait(shared->mutex, [&] { return shared->items > 0; }, soon_enough());
        ASSERT_TRUE(there) << there.error().message();
        --shared->items;
        ++shared->taken;
      }
    });
  }
  for (int k = 0; k < all; ++k) {
    auto held = shared->mutex.hold();
    ++shared->items;
    shared->changed.notify_one();
  }
  workers.join();
  EXPECT_EQ(shared->taken, all);
  EXPECT_EQ(shared->items, 0);
}

TYPED_TEST(PrimitiveTest, AConditionLetsGoOfAnRLockWholly) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicRLock<K> lock;
    BasicCondition<K> changed;
    bool ready = false;
  };
  typename TestFixture::template Place<Shared> shared;
  EXPECT_EQ(shared->changed.wait(shared->lock).error(), errno_code(EPERM));
  ASSERT_TRUE(shared->lock.lock());
  ASSERT_TRUE(shared->lock.lock());
  typename TypeParam::Workers workers;
  workers.start([&] {
    ASSERT_TRUE(shared->lock.lock(soon_enough()));
    shared->ready = true;
    shared->changed.notify_all();
    EXPECT_TRUE(shared->lock.unlock());
  });
  EXPECT_TRUE(shared->changed.wait(shared->lock, [&] { return shared->ready; }, soon_enough()));
  EXPECT_EQ(shared->lock.depth(), 2u);
  EXPECT_TRUE(shared->lock.unlock());
  EXPECT_TRUE(shared->lock.unlock());
}

TYPED_TEST(PrimitiveTest, AConditionsDeadlinePasses) {
  using K = typename TypeParam::Kernel;
  BasicMutex<K> mutex;
  BasicCondition<K> changed;
  auto held = mutex.hold();
  EXPECT_EQ(changed.wait(mutex, [] { return false; }, soon()).error(), std::errc::timed_out);
  EXPECT_TRUE(mutex.mine()) << "it is held again";
}

TYPED_TEST(PrimitiveTest, ABarrierHoldsUntilAllHaveCome) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicBarrier<K> barrier{4};
    std::atomic<int> come[50] = {};
    std::atomic<int> places{0};
  };
  typename TestFixture::template Place<Shared> shared;
  typename TypeParam::Workers workers;
  for (int i = 0; i < 4; ++i) {
    workers.start([&] {
      for (auto& come : shared->come) {
        ++come;
        const auto place = shared->barrier.wait(soon_enough());
        ASSERT_TRUE(place) << place.error().message();
        EXPECT_EQ(come, 4);
        shared->places += static_cast<int>(*place);
      }
    });
  }
  workers.join();
  EXPECT_EQ(shared->places, 50 * (0 + 1 + 2 + 3));
}

TYPED_TEST(PrimitiveTest, ABarrierBreaksForAllWhenOneGivesUp) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicBarrier<K> barrier{3};
    BasicSemaphore<K> waiting{0};
  };
  typename TestFixture::template Place<Shared> shared;
  typename TypeParam::Workers workers;
  workers.start([&] {
    (void)shared->waiting.release();
    EXPECT_EQ(shared->barrier.wait(soon_enough()).error(), errno_code(ECANCELED));
  });
  ASSERT_TRUE(shared->waiting.acquire(soon_enough()));
  EXPECT_EQ(shared->barrier.wait(soon()).error(), std::errc::timed_out);
  EXPECT_TRUE(shared->barrier.broken());
  EXPECT_EQ(shared->barrier.wait(soon_enough()).error(), errno_code(ECANCELED));
  workers.join();
  shared->barrier.reset();
  EXPECT_FALSE(shared->barrier.broken());
  for (int i = 0; i < 2; ++i) {
    workers.start([&] { EXPECT_TRUE(shared->barrier.wait(soon_enough())); });
  }
  EXPECT_TRUE(shared->barrier.wait(soon_enough()));
  shared->barrier.abort();
  EXPECT_EQ(shared->barrier.wait(soon_enough()).error(), errno_code(ECANCELED));
}

// A second batch, a pool whose workers are replaced.
TYPED_TEST(PrimitiveTest, ABarrierIsMetByOthersInTheNextRound) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicBarrier<K> barrier{2};
  };
  typename TestFixture::template Place<Shared> shared;
  for (int round = 0; round < 5; ++round) {
    typename TypeParam::Workers workers;
    for (int i = 0; i < 2; ++i) {
      workers.start([&] { EXPECT_TRUE(shared->barrier.wait(soon_enough())); });
    }
    workers.join();
  }
}

TYPED_TEST(PrimitiveTest, ABarriersPartyMayBeReplacedWhileOthersWait) {
  using K = typename TypeParam::Kernel;
  struct Shared {
    BasicBarrier<K> barrier{2};
  };
  typename TestFixture::template Place<Shared> shared;
  for (int round = 0; round < 5; ++round) {
    typename TypeParam::Workers workers;
    workers.start([&] { EXPECT_TRUE(shared->barrier.wait(soon_enough())); });
    EXPECT_TRUE(shared->barrier.wait(soon_enough()));
    workers.join();
  }
}

TEST(BoundedSemaphoreLimit, PlacesThatCantBeCountedAreAnErrorAndNoWait) {
  struct Shared {
    BoundedSemaphore places{200};
    Semaphore taken{0};
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  constexpr std::size_t most = BoundedSemaphore::max_processes;
  for (std::size_t i = 0; i < most; ++i) {
    workers.start([&] {
      (void)shared->places.acquire();
      (void)shared->taken.release();
      for (;;) ::pause();
    });
  }
  for (std::size_t i = 0; i < most; ++i) ASSERT_TRUE(shared->taken.acquire(soon_enough()));
  EXPECT_EQ(shared->places.acquire(soon_enough()).error(), errno_code(ENOSPC));
  EXPECT_EQ(shared->places.try_acquire().error(), errno_code(ENOSPC));
  for (std::size_t i = 0; i < most; ++i) workers.kill(i);
  EXPECT_TRUE(shared->places.acquire(soon_enough()));
}

TEST(AThreadAtItsLimit, StillUsesTheOtherPrimitives) {
  struct Shared {
    BoundedSemaphore places{1};
    Barrier barrier{1};
    Mutex mutex;
  };
  InSharedMemory<Shared> shared;
  ASSERT_TRUE(shared->places.acquire());
  const AtItsLimit limit;
  ASSERT_EQ(shared->mutex.lock().error(), errno_code(ENOLCK));
  EXPECT_TRUE(shared->places.release());
  EXPECT_EQ(shared->places.value(), 1u);
  EXPECT_TRUE(shared->places.acquire(soon_enough()));
  EXPECT_TRUE(shared->barrier.wait(soon_enough()));
}

TEST(BoundedSemaphoreDeath, GivesThePlacesBack) {
  struct Shared {
    BoundedSemaphore toilets{5};
    Event taken;
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  workers.start([&] {
    for (int i = 0; i < 5; ++i) (void)shared->toilets.acquire();
    shared->taken.set();
    for (;;) ::pause();
  });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  EXPECT_EQ(shared->toilets.try_acquire().error(), errno_code(EAGAIN));
  workers.kill(0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(shared->toilets.acquire(soon_enough()));
  EXPECT_EQ(shared->toilets.try_acquire().error(), errno_code(EAGAIN));
}

TEST(BarrierDeath, BreaksIt) {
  struct Shared {
    Barrier barrier{3};
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  for (int i = 0; i < 2; ++i) {
    workers.start([&, i] {
      ASSERT_TRUE(shared->barrier.wait(soon_enough()));
      if (i == 0) {
        for (;;) ::pause();
      }
      EXPECT_FALSE(shared->barrier.wait(soon_enough()));
    });
  }
  ASSERT_TRUE(shared->barrier.wait(soon_enough()));
  workers.kill(0);
  EXPECT_FALSE(shared->barrier.wait(soon_enough()));
  EXPECT_TRUE(shared->barrier.broken());
}

}  // namespace
}  // namespace polyio::ipc::test
