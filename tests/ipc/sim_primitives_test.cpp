// Every primitive on the simulated kernel: all interleavings that the seeds draw, and a kill at
// every step of them.
#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/condition.hpp>
#include <polyio/ipc/event.hpp>
#include <polyio/ipc/semaphore.hpp>

#include "sim_kernel.hpp"

namespace polyio::ipc::test {
namespace {

using std::chrono::seconds;

const std::uint64_t seeds = number_of_seeds(POLYIO_TSAN || POLYIO_ASAN ? 60 : 600),
                    deaths = std::max<std::uint64_t>(seeds / 60, 3);

// What a lock protects: half written between two steps. A holder that finds it so must have got
// Previous::died.
struct Protected {
  Word<SimKernel> half_written;
  int inside = 0, entered = 0;

  void use(Previous previous) {
    if (previous == Previous::released) {
      EXPECT_EQ(half_written.load(), 0u) << "half written, and not reported";
    }
    half_written.store(1);
    ++entered;
    SimKernel::shared_step();
    half_written.store(0);
  }
};

TEST(SimMutex, ExcludesAndHandsOn) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicMutex<SimKernel> mutex;
          Protected data;
          int holder = -1;
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 3; ++i) {
          sim.process([&sim, i, w = world.get()] {
            for (int round = 0; round < 2; ++round) {
              const auto locked = w->mutex.lock();
              ASSERT_TRUE(locked);
              EXPECT_TRUE(w->holder < 0 || w->holder == sim.killed());
              w->holder = i;
              w->data.use(*locked);
              w->holder = -1;
              EXPECT_TRUE(w->mutex.unlock());
            }
          });
        }
        return [&sim, world] {
          if (!sim.killed_one()) {
            EXPECT_EQ(world->data.entered, 6);
          }
          EXPECT_TRUE(world->mutex.try_lock());
        };
      },
      seeds, deaths);
}

TEST(SimMutex, ADeadlineLeavesNothingBehind) {
  explore(
      [](Simulation& sim) {
        auto mutex = std::make_shared<BasicMutex<SimKernel>>();
        for (int i = 0; i < 3; ++i) {
          sim.process([m = mutex.get()] {
            const auto locked = m->lock(SimKernel::now() + seconds(1));
            if (!locked) {
              EXPECT_EQ(locked.error(), std::errc::timed_out);
              return;
            }
            SimKernel::pass(seconds(2));
            EXPECT_TRUE(m->unlock());
          });
        }
        return [mutex] { EXPECT_TRUE(mutex->try_lock()); };
      },
      seeds, deaths);
}

TEST(SimRLock, CountsAndHandsOn) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicRLock<SimKernel> lock;
          Protected data;
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 3; ++i) {
          sim.process([w = world.get()] {
            const auto locked = w->lock.lock();
            ASSERT_TRUE(locked);
            EXPECT_EQ(w->lock.lock().value(), Previous::released);
            EXPECT_EQ(w->lock.depth(), 2u);
            w->data.use(*locked);
            EXPECT_TRUE(w->lock.unlock());
            EXPECT_TRUE(w->lock.unlock());
            EXPECT_FALSE(w->lock.mine());
          });
        }
        return [world] { EXPECT_TRUE(world->lock.try_lock()); };
      },
      seeds, deaths);
}

TEST(SimSemaphore, NoneSleepsWhileItCanBeAcquired) {
  explore(
      [](Simulation& sim) {
        auto semaphore = std::make_shared<BasicSemaphore<SimKernel>>(0);
        for (int i = 0; i < 3; ++i) {
          sim.process([s = semaphore.get()] { EXPECT_TRUE(s->acquire()); });
        }
        // One more than is wanted, as one may go with the process that is killed.
        sim.process([s = semaphore.get()] { EXPECT_TRUE(s->release(2)); }, false);
        sim.process([s = semaphore.get()] { EXPECT_TRUE(s->release(1)); }, false);
        return [semaphore] { EXPECT_LE(semaphore->value(), 1u); };
      },
      seeds, deaths);
}

// The first releaser may be killed between its two steps; no other process is left to wake them.
TEST(SimSemaphore, AKilledReleaserLeavesNoneAsleep) {
  explore(
      [](Simulation& sim) {
        auto semaphore = std::make_shared<BasicSemaphore<SimKernel>>(0);
        sim.process([s = semaphore.get()] { (void)s->acquire(SimKernel::now() + seconds(9)); },
                    false);
        sim.process([s = semaphore.get()] { EXPECT_TRUE(s->release()); });
        return [semaphore, &sim] {
          if (semaphore->value() == 1) {
            EXPECT_TRUE(sim.killed_one()) << "it slept although there was one";
            ADD_FAILURE() << "it slept for nine seconds although there was one";
          }
        };
      },
      seeds, deaths);
}

TEST(SimBoundedSemaphore, NeverMoreThanItsPlacesAndTheDeadGiveThemBack) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicBoundedSemaphore<SimKernel> places{2};
          std::vector<int> inside;
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 4; ++i) {
          sim.process([&sim, i, w = world.get()] {
            ASSERT_TRUE(w->places.acquire());
            w->inside.push_back(i);
            std::erase(w->inside, sim.killed());
            EXPECT_LE(w->inside.size(), 2u);
            SimKernel::shared_step();
            std::erase(w->inside, i);
            EXPECT_TRUE(w->places.release());
          });
        }
        sim.process(
            [w = world.get()] {
              ASSERT_TRUE(w->places.acquire());
              EXPECT_TRUE(w->places.release());
              EXPECT_EQ(w->places.release().error(), errno_code(EPERM));
            },
            false);
        return [world] {};
      },
      seeds / 3, deaths / 3);
}

TEST(SimEvent, NoneBeforeItIsSetAllAfter) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicEvent<SimKernel> event;
          bool green = false;
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 3; ++i) {
          sim.process([w = world.get()] {
            EXPECT_TRUE(w->event.wait());
            EXPECT_TRUE(w->green);
          });
        }
        for (int i = 0; i < 2; ++i) {
          sim.process([w = world.get()] {
            w->green = true;
            w->event.set();
          });
        }
        return [world] { EXPECT_TRUE(world->event.is_set()); };
      },
      seeds, deaths);
}

TEST(SimEvent, APulseReachesAllWaiters) {
  explore(
      [](Simulation& sim) {
        auto event = std::make_shared<BasicEvent<SimKernel>>();
        sim.process(
            [e = event.get(), &sim] {
              const auto woken = e->wait(SimKernel::now() + seconds(9));
              EXPECT_TRUE(woken || sim.killed_one());
            },
            false);
        sim.process([e = event.get(), &sim] {
          while (sim.state(0) != Simulation::State::asleep) SimKernel::shared_step();
          e->set();
          e->clear();
        });
        return [event] {};
      },
      seeds, deaths);
}

TEST(SimCondition, ANotifyUnderTheMutexReachesAll) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicMutex<SimKernel> mutex;
          BasicCondition<SimKernel> changed;
          int items = 0;
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 2; ++i) {
          sim.process([w = world.get()] {
            ASSERT_TRUE(w->mutex.lock());
            while (w->items == 0) ASSERT_TRUE(w->changed.wait(w->mutex));
            --w->items;
            EXPECT_TRUE(w->mutex.unlock());
          });
        }
        // A killed consumer may have taken one, and a killed producer have brought none.
        for (int i = 0; i < 3; ++i) {
          sim.process([w = world.get(), &sim] {
            if (SimKernel::self() == 104 && !sim.killed_one() && !sim.slices()) return;
            ASSERT_TRUE(w->mutex.lock());
            ++w->items;
            w->changed.notify_one();
            EXPECT_TRUE(w->mutex.unlock());
          });
        }
        return [world] {};
      },
      seeds, deaths);
}

TEST(SimBarrier, AllOrNone) {
  explore(
      [](Simulation& sim) {
        struct World {
          BasicBarrier<SimKernel> barrier{3};
          int here = 0, passed[2] = {};
        };
        auto world = std::make_shared<World>();
        for (int i = 0; i < 3; ++i) {
          sim.process([w = world.get(), &sim] {
            for (int round = 0; round < 2; ++round) {
              ++w->here;
              const auto place = w->barrier.wait(SimKernel::now() + seconds(9));
              if (!place) {
                EXPECT_TRUE(sim.killed_one()) << place.error().message();
                return;
              }
              EXPECT_GE(w->here, 3 * (round + 1)) << "one went on before all had come";
              ++w->passed[round];
            }
          });
        }
        return [world, &sim] {
          if (sim.killed_one()) return;
          EXPECT_EQ(world->passed[0], 3);
          EXPECT_EQ(world->passed[1], 3);
        };
      },
      seeds / 3, deaths / 3);
}

}  // namespace
}  // namespace polyio::ipc::test
