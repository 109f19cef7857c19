// TimerHeap against a model that searches a list.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <polyio/base/random.hpp>
#include <polyio/io/timer.hpp>
#include <vector>

namespace polyio {
namespace {

using namespace std::chrono_literals;

struct Alarm : Timer {
  Alarm() : Timer([](Timer& timer) { ++static_cast<Alarm&>(timer).fired; }) {}
  int fired = 0;
};

constexpr TimePoint at(std::int64_t microseconds) {
  return TimePoint(std::chrono::microseconds(microseconds));
}

TEST(TimerHeap, FiresOnceAtOrAfterItsDeadline) {
  TimerHeap heap;
  Alarm alarm;
  EXPECT_EQ(heap.next(), never);
  heap.arm(alarm, at(10));
  EXPECT_EQ(heap.next(), at(10));
  heap.fire_due(at(9));
  EXPECT_EQ(alarm.fired, 0);
  heap.fire_due(at(10));
  heap.fire_due(at(20));
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_EQ(heap.size(), 0u);
}

TEST(TimerHeap, MovedAndDisarmed) {
  TimerHeap heap;
  Alarm later, sooner, gone, lifted;
  heap.arm(later, at(10));
  heap.arm(later, at(30));
  heap.arm(sooner, at(30));
  heap.arm(sooner, at(10));
  heap.arm(gone, at(10));
  heap.disarm(gone);
  heap.disarm(gone);
  heap.arm(lifted, at(10));
  heap.arm(lifted, never);
  heap.fire_due(at(20));
  EXPECT_EQ(sooner.fired, 1);
  EXPECT_EQ(later.fired + gone.fired + lifted.fired, 0);
  heap.fire_due(at(30));
  EXPECT_EQ(later.fired, 1);
  EXPECT_EQ(lifted.fired, 0);
  EXPECT_EQ(heap.size(), 0u);
}

TEST(TimerHeap, MayBeArmedAgainWhileItFires) {
  struct Ticker : Timer {
    explicit Ticker(TimerHeap& of) : Timer(tick), heap(of) {}
    static void tick(Timer& timer) {
      auto& self = static_cast<Ticker&>(timer);
      if (++self.ticks < 5) self.heap.arm(self, self.deadline + 10us);
    }
    TimerHeap& heap;
    int ticks = 0;
  };
  TimerHeap heap;
  Ticker ticker(heap);
  heap.arm(ticker, at(10));
  heap.fire_due(at(35));
  EXPECT_EQ(ticker.ticks, 3);
  heap.fire_due(at(1000));
  EXPECT_EQ(ticker.ticks, 5);
}

TEST(TimerHeap, OneMayDisarmAnotherThatIsDueToo) {
  struct Killer : Timer {
    Killer(TimerHeap& of, Timer& whom) : Timer(kill), heap(of), victim(whom) {}
    static void kill(Timer& timer) {
      auto& self = static_cast<Killer&>(timer);
      self.heap.disarm(self.victim);
    }
    TimerHeap& heap;
    Timer& victim;
  };
  TimerHeap heap;
  Alarm victim;
  Killer killer(heap, victim);
  heap.arm(killer, at(1));
  heap.arm(victim, at(2));
  heap.fire_due(at(5));
  EXPECT_EQ(victim.fired, 0);
}

TEST(TimerHeap, AgainstAModel) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    TimerHeap heap;
    std::deque<Alarm> alarms(50);
    std::vector<TimePoint> due(alarms.size(), never);
    std::vector<int> fired(alarms.size(), 0);
    TimePoint now = at(0);
    for (int step = 0; step < 3000; ++step) {
      const std::size_t which = random.below(alarms.size());
      switch (random.below(4)) {
        case 0:
        case 1:
          due[which] = now + std::chrono::microseconds(random.below(100));
          heap.arm(alarms[which], due[which]);
          break;
        case 2:
          due[which] = never;
          heap.disarm(alarms[which]);
          break;
        default:
          now += std::chrono::microseconds(random.below(20));
          heap.fire_due(now);
          for (std::size_t i = 0; i < due.size(); ++i) {
            if (due[i] > now) continue;
            ++fired[i];
            due[i] = never;
          }
      }
      ASSERT_LE(heap.next(), *std::ranges::min_element(due)) << "looks again in time";
      for (std::size_t i = 0; i < due.size(); ++i) ASSERT_EQ(alarms[i].fired, fired[i]) << seed;
    }
  }
}

}  // namespace
}  // namespace polyio
