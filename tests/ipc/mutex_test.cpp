// The contract of Mutex and RLock, as Python's lock tests have it, in every form.
#include <pthread.h>
#include <unistd.h>

#include <polyio/ipc/event.hpp>
#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/semaphore.hpp>

#include "forms.hpp"

namespace polyio::ipc::test {
namespace {

using namespace std::chrono_literals;

template <class Form>
class LockTest : public testing::Test {
 public:
  using K = typename Form::Kernel;
  // Holds the lock so that others find it taken, until told to let go.
  template <class Lock>
  struct Held {
    Lock lock;
    BasicEvent<K> taken, let_go;
    int count = 0;

    void hold() {
      ASSERT_TRUE(lock.lock(soon_enough()));
      taken.set();
      EXPECT_TRUE(let_go.wait(soon_enough()));
      EXPECT_TRUE(lock.unlock());
    }
  };
  using MutexHeld = typename Form::template Place<Held<BasicMutex<K>>>;
  using RLockHeld = typename Form::template Place<Held<BasicRLock<K>>>;
};
TYPED_TEST_SUITE(LockTest, Forms, FormName);

TYPED_TEST(LockTest, IsTheHoldersAlone) {
  typename TestFixture::MutexHeld shared;
  auto& mutex = shared->lock;
  EXPECT_FALSE(mutex.locked());
  EXPECT_EQ(mutex.lock().value(), Previous::released);
  EXPECT_TRUE(mutex.locked());
  EXPECT_TRUE(mutex.mine());
  EXPECT_EQ(mutex.lock().error(), errno_code(EDEADLK));
  EXPECT_EQ(mutex.try_lock().error(), errno_code(EDEADLK));
  EXPECT_TRUE(mutex.unlock());
  EXPECT_EQ(mutex.unlock().error(), errno_code(EPERM));
  EXPECT_FALSE(mutex.locked());
}

TYPED_TEST(LockTest, OthersMeetIt) {
  typename TestFixture::MutexHeld shared;
  typename TypeParam::Workers workers;
  workers.start([&] { shared->hold(); });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  auto& mutex = shared->lock;
  EXPECT_TRUE(mutex.locked());
  EXPECT_FALSE(mutex.mine());
  EXPECT_EQ(mutex.try_lock().error(), errno_code(EAGAIN));
  EXPECT_EQ(mutex.unlock().error(), errno_code(EPERM));
  const TimePoint before = monotonic_now();
  EXPECT_EQ(mutex.lock(deadline_after(before, 120ms)).error(), std::errc::timed_out);
  EXPECT_GE(monotonic_now(), before + 120ms) << "earlier than its deadline";
  shared->let_go.set();
  EXPECT_EQ(mutex.lock(soon_enough()).value(), Previous::released);
  EXPECT_TRUE(mutex.unlock());
}

TYPED_TEST(LockTest, LosesNoIncrement) {
  typename TestFixture::MutexHeld shared;
  typename TypeParam::Workers workers;
  constexpr int each = 20'000;
  for (int i = 0; i < 4; ++i) {
    workers.start([&] {
      for (int k = 0; k < each; ++k) {
        auto held = shared->lock.hold();
        ASSERT_TRUE(held);
        ++shared->count;
      }
    });
  }
  workers.join();
  EXPECT_EQ(shared->count, 4 * each);
}

TYPED_TEST(LockTest, IsHeldToTheEndOfTheBlockAndNoLonger) {
  typename TestFixture::MutexHeld shared;
  {
    auto held = shared->lock.hold();
    ASSERT_TRUE(held);
    EXPECT_EQ(held->previous(), Previous::released);
    auto moved = std::move(*held);
    EXPECT_TRUE(shared->lock.mine());
  }
  EXPECT_FALSE(shared->lock.locked());
  auto held = shared->lock.hold();
  held->unlock();
  EXPECT_FALSE(shared->lock.locked());
}

TYPED_TEST(LockTest, AnRLockIsFreeOnceItWasUnlockedAsOften) {
  typename TestFixture::RLockHeld shared;
  auto& lock = shared->lock;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(lock.lock().value(), Previous::released);
    EXPECT_EQ(lock.depth(), i);
  }
  EXPECT_TRUE(lock.try_lock());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lock.unlock());
  EXPECT_TRUE(lock.mine());
  EXPECT_TRUE(lock.unlock());
  EXPECT_FALSE(lock.locked());
  EXPECT_EQ(lock.unlock().error(), errno_code(EPERM));
}

TYPED_TEST(LockTest, AnRLockIsOneThreadsOnly) {
  typename TestFixture::RLockHeld shared;
  typename TypeParam::Workers workers;
  workers.start([&] { shared->hold(); });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  EXPECT_EQ(shared->lock.try_lock().error(), errno_code(EAGAIN));
  EXPECT_EQ(shared->lock.unlock().error(), errno_code(EPERM));
  EXPECT_EQ(shared->lock.lock(deadline_after(monotonic_now(), 1ms)).error(), std::errc::timed_out);
  shared->let_go.set();
  EXPECT_TRUE(shared->lock.lock(soon_enough()));
  EXPECT_TRUE(shared->lock.unlock());
}

// Linux hands on at once what a killed process held, and the next holder learns of it.
TEST(MutexDeath, TheNextHolderLearnsOfIt) {
  struct Shared {
    Mutex mutex, other;
    Event taken;
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  workers.start([&] {
    (void)shared->other.lock();
    (void)shared->mutex.lock();
    shared->taken.set();
    for (;;) ::pause();
  });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  EXPECT_EQ(shared->mutex.try_lock().error(), errno_code(EAGAIN));
  workers.kill(0);
  EXPECT_EQ(shared->mutex.lock(soon_enough()).value(), Previous::died);
  EXPECT_TRUE(shared->mutex.unlock());
  EXPECT_EQ(shared->mutex.lock().value(), Previous::released) << "unlocked as usual: it is whole";
  EXPECT_TRUE(shared->mutex.unlock());
  EXPECT_EQ(shared->other.lock(soon_enough()).value(), Previous::died) << "each of those it held";
  EXPECT_TRUE(shared->other.unlock());
}

TEST(MutexDeath, AWaiterGetsIt) {
  struct Shared {
    Mutex mutex;
    Event taken;
    Semaphore done{0};
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  workers.start([&] {
    (void)shared->mutex.lock();
    shared->taken.set();
    for (;;) ::pause();
  });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  for (int i = 0; i < 3; ++i) {
    workers.start([&] {
      const auto locked = shared->mutex.lock(soon_enough());
      ASSERT_TRUE(locked);
      (void)shared->done.release();
      EXPECT_TRUE(shared->mutex.unlock());
    });
  }
  workers.kill(0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shared->done.acquire(soon_enough()));
}

TEST(MutexDeath, IsReportedUntilAHolderUnlocks) {
  InSharedMemory<Mutex> mutex;
  for (int i = 0; i < 3; ++i) {
    Processes workers;
    InSharedMemory<Event> taken;
    workers.start([&] {
      const auto locked = mutex->lock();
      EXPECT_EQ(locked.value(), i == 0 ? Previous::released : Previous::died);
      taken->set();
      for (;;) ::pause();
    });
    ASSERT_TRUE(taken->wait(soon_enough()));
    workers.kill(0);
  }
  EXPECT_EQ(mutex->lock().value(), Previous::died);
  EXPECT_TRUE(mutex->unlock());
}

TEST(RLockDeath, CountsAnew) {
  struct Shared {
    RLock lock;
    Event taken;
  };
  InSharedMemory<Shared> shared;
  Processes workers;
  workers.start([&] {
    for (int i = 0; i < 5; ++i) (void)shared->lock.lock();
    shared->taken.set();
    for (;;) ::pause();
  });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  workers.kill(0);
  EXPECT_EQ(shared->lock.lock(soon_enough()).value(), Previous::died);
  EXPECT_EQ(shared->lock.depth(), 1u);
  EXPECT_TRUE(shared->lock.unlock());
  EXPECT_FALSE(shared->lock.locked());
}

// A thread that ends holding it is a holder that died, its process living on.
TEST(MutexDeath, OfAThreadIsOneToo) {
  Mutex mutex;
  std::thread([&] { (void)mutex.lock(); }).join();
  EXPECT_EQ(mutex.lock(soon_enough()).value(), Previous::died);
  EXPECT_TRUE(mutex.unlock());
}

// glibc's robust mutexes are on the same list of the thread.
// Linux hands on only what is on a robust list, which threads::Mutex is not.
TEST(MutexDeath, OfAThreadIsOneForThoseOfThreadsToo) {
  threads::Mutex mutex;
  std::thread([&] { EXPECT_TRUE(mutex.lock()); }).join();
  EXPECT_EQ(mutex.try_lock().value(), Previous::died);
  ASSERT_TRUE(mutex.unlock());
  std::thread([&] { EXPECT_TRUE(mutex.lock()); }).join();
  EXPECT_EQ(mutex.lock(soon_enough()).value(), Previous::died);
  EXPECT_TRUE(mutex.unlock());
  EXPECT_EQ(mutex.lock().value(), Previous::released);
  EXPECT_TRUE(mutex.unlock());
}

// Whoever waits meanwhile gets it, and not before the thread has ended.
TEST(MutexDeath, OfAThreadWakesThoseThatWaitInTheSameProcess) {
  threads::Mutex mutex;
  threads::Event locked, asleep;
  std::thread holder([&] {
    EXPECT_TRUE(mutex.lock());
    locked.set();
    (void)asleep.wait();
  });
  (void)locked.wait();
  std::thread waiter([&] { EXPECT_EQ(mutex.lock(soon_enough()).value(), Previous::died); });
  EXPECT_EQ(mutex.try_lock().error(), errno_code(EAGAIN));
  asleep.set();
  holder.join();
  waiter.join();
}

// More than Linux would hand on can't be locked.
TEST(MutexDeath, AllThatOneThreadMayHoldIsHandedOn) {
  constexpr std::size_t all = SharedKernel::max_held;
  struct Many {
    std::array<Mutex, all + 1> mutexes;
  };
  InSharedMemory<Many> many;
  auto child = fork_to([&] {
    for (std::size_t i = 0; i < all; ++i) {
      if (!many->mutexes[i].lock()) return 1;
    }
    if (many->mutexes[all].lock().error() != errno_code(ENOLCK)) return 2;
    if (many->mutexes[all].try_lock().error() != errno_code(ENOLCK)) return 3;
    if (many->mutexes[0].lock().error() != errno_code(EDEADLK)) return 4;
    if (!many->mutexes[0].unlock() || !many->mutexes[all].lock()) return 5;
    ::kill(::getpid(), SIGKILL);
    return 6;
  });
  const os::ExitStatus status = child.wait();
  ASSERT_EQ(status.signal, SIGKILL) << status.text();
  for (std::size_t i = 1; i <= all; ++i) {
    ASSERT_EQ(many->mutexes[i].lock(soon_enough()).value(), Previous::died) << i;
    ASSERT_TRUE(many->mutexes[i].unlock());
  }
}

TEST(MutexDeath, GlibcsOwnRobustMutexesStayRight) {
  struct Shared {
    Mutex first, last;
    pthread_mutex_t glibc;
    Event taken;
  };
  InSharedMemory<Shared> shared;
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&shared->glibc, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  Processes workers;
  workers.start([&] {
    for (int i = 0; i < 2; ++i) {  // first in, first out; then they stay held
      (void)shared->first.lock();
      ::pthread_mutex_lock(&shared->glibc);
      (void)shared->last.lock();
      if (i) break;
      (void)shared->first.unlock();
      ::pthread_mutex_unlock(&shared->glibc);
      (void)shared->last.unlock();
    }
    shared->taken.set();
    for (;;) ::pause();
  });
  ASSERT_TRUE(shared->taken.wait(soon_enough()));
  workers.kill(0);
  EXPECT_EQ(shared->first.lock(soon_enough()).value(), Previous::died);
  EXPECT_EQ(::pthread_mutex_lock(&shared->glibc), EOWNERDEAD);
  EXPECT_EQ(shared->last.lock(soon_enough()).value(), Previous::died);
  EXPECT_TRUE(shared->first.unlock());
  EXPECT_EQ(::pthread_mutex_consistent(&shared->glibc), 0);
  EXPECT_EQ(::pthread_mutex_unlock(&shared->glibc), 0);
  EXPECT_TRUE(shared->last.unlock());
}

}  // namespace
}  // namespace polyio::ipc::test
