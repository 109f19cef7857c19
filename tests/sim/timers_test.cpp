// Random trees of task groups, sleeps, scopes with deadlines, parks and unparks. The oracles: no
// sleep is early; what a scope holds has ended when its deadline has passed; an operation reports a
// cancel only when there was one; all tasks of a group have ended when it has.
#include <polyio/io/task_group.hpp>

#include "explore.hpp"

namespace polyio::sim_test {
namespace {

using std::chrono::milliseconds;

// A poll that does not wait costs virtual time as well: this much may pass while a tree unwinds.
constexpr Nanoseconds slack = milliseconds(2);

class Tree {
 public:
  Tree(Io& io, Random& random) : io_(io), random_(random) {}

  Task<> grow() {
    auto all = [this](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return wake_parked(); });
      co_await branch(4);
      group.cancel();
    };
    co_await with_task_group(io_, all);
    require(alive_ == 0, "a task outlived its group");
    require(parked_.empty(), "a job is still parked");
  }

 private:
  Nanoseconds upto(std::uint64_t most_ms) {
    return Nanoseconds(random_.below(most_ms * 1'000'000));
  }

  // True when something ended early, and the branch has to go.
  bool check(const Result<>& result, const CancelScope* scope) {
    if (result) return false;
    require(
        result.error() == std::errc::operation_canceled || result.error() == std::errc::timed_out,
        "another error than a scope's");
    if (scope) require(scope->cancelled(), "ended early, without a cancel");
    return true;
  }

  Task<> branch(unsigned depth) {
    ++alive_;
    const auto steps = 2 + random_.below(4);
    for (std::uint64_t step = 0; step < steps; ++step) {
      const auto children = depth > 0 ? 1 + random_.below(3) : 0;
      bool over = false;
      switch (random_.below(7)) {
        case 0: {
          auto awaited = co_await nap();
          over = std::move(awaited);
        } break;
        case 1: {
          auto awaited = co_await wait_for_waker();
          over = std::move(awaited);
        } break;
        case 2: {
          auto awaited = co_await in_scope(depth);
          over = std::move(awaited);
        } break;
        case 3: (void)co_await io_.yield(); break;
        case 4: {
          auto awaited = co_await hand_over();
          over = std::move(awaited);
        } break;
        default: co_await in_group(depth, children); break;
      }
      if (over) break;
    }
    --alive_;
  }

  Task<bool> nap() {
    CancelScope scope(io_);
    const auto until = deadline_after(io_.now(), upto(5));
    auto slept = co_await io_.sleep_until(until);
    if (slept) require(io_.now() >= until, "a sleep was early");
    if (slept) require(io_.now() <= until + slack, "a sleep was late");
    co_return check(slept, &scope);
  }

  Task<bool> wait_for_waker() {
    CancelScope scope(io_);
    parked_.push_back(&io_.current());
    auto woken = co_await io_.park();
    std::erase(parked_, &io_.current());
    co_return check(woken, &scope);
  }

  // An unpark counts whether it comes before the park or after.
  Task<bool> hand_over() {
    bool given = false, over = false;
    Job& me = io_.current();
    const auto give = [this, &given, &me](Nanoseconds after) -> Task<> {
      auto slept = co_await io_.sleep(after);
      given = true;
      if (slept) io_.unpark(me);
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      CancelScope scope(io_, milliseconds(100));
      (void)group.spawn(give, upto(3));
      auto slept = co_await io_.sleep(upto(3));
      over = check(slept, &scope);
      // Not while (!given): a permit left by an unpark that came first must end this park.
      while (!over) {
        auto woken = co_await io_.park();
        over = check(woken, &scope);
        if (given) break;
      }
      require(!scope.timed_out(), "an unpark was lost");
    };
    co_await with_task_group(io_, body);
    co_return over;
  }

  // Lives until its group is cancelled, and unparks a task every now and then.
  Task<> wake_parked() {
    for (;;) {
      auto slept = co_await io_.sleep(milliseconds(1) + upto(3));
      if (!slept) co_return;
      if (parked_.empty()) continue;
      io_.unpark(*parked_[random_.below(parked_.size())]);
    }
  }

  // A deadline that may be past, moved, or overtaken by a cancel.
  Task<bool> in_scope(unsigned depth) {
    Deadline deadline = deadline_after(io_.now(), upto(8) - milliseconds(1));
    CancelScope scope(io_, deadline);
    if (random_.chance(1, 4)) {
      deadline = deadline_after(io_.now(), upto(10));
      scope.set_deadline(deadline);
    }
    const bool cancel = random_.chance(1, 8);
    if (cancel) scope.cancel();
    if (depth > 0) {
      co_await branch(depth - 1);
    } else {
      auto slept = co_await io_.sleep(milliseconds(20));
      require(!slept, "a deadline was not kept");
    }
    require(io_.now() <= deadline + slack, "a scope lived longer than its deadline");
    if (cancel) require(!scope.timed_out(), "cancelled, but it says timed out");
    co_return false;
  }

  Task<> in_group(unsigned depth, std::uint64_t children) {
    std::uint64_t running = 0;
    auto body = [this, &running, depth, children](TaskGroup& group) -> Task<> {
      for (std::uint64_t i = 0; i < children; ++i) {
        ++running;
        (void)group.spawn([&] { return counted(running, depth - 1); });
      }
      if (random_.chance(1, 4)) {
        (void)co_await io_.sleep(upto(4));
        group.cancel();
      }
    };
    if (random_.chance(1, 6)) {
      co_await with_failing_child();
    }
    co_await with_task_group(io_, body);
    require(running == 0, "a join came before the tasks had ended");
  }

  Task<> counted(std::uint64_t& running, unsigned depth) {
    co_await branch(depth);
    --running;
  }

  struct Wanted {};

  Task<> fails_later(Nanoseconds span) {
    (void)co_await io_.sleep(span);
    throw Wanted{};
  }

  // The first exception cancels the others and comes out of the group.
  Task<> with_failing_child() {
    auto body = [this](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return fails_later(upto(3)); });
      auto slept = co_await io_.sleep(std::chrono::hours(1));
      require(!slept, "an exception did not cancel the body");
    };
    bool caught = false;
    try {
      co_await with_task_group(io_, body);
    } catch (const Wanted&) {
      caught = true;
    }
    require(caught, "an exception was lost");
  }

  Io& io_;
  Random& random_;
  std::vector<Job*> parked_;
  std::size_t alive_ = 0;
};

Task<> trees(Io& io, SimDriver&, Random& random) {
  Tree tree(io, random);
  co_await tree.grow();
}

TEST(SimTimers, TreesOfTasksEndAsTheirScopesSay) { explore("timers", trees, 1, 20'000); }

TEST(SimTimers, TimersFireInOrderAndOnTime) {
  const auto sleepers = [](Io& io, SimDriver&, Random& random) -> Task<> {
    std::vector<TimePoint> woken;
    const auto one = [&io, &woken](TimePoint until) -> Task<> {
      (void)co_await io.sleep_until(until);
      require(io.now() == until, "not woken at its time, though nothing else went on");
      woken.push_back(until);
    };
    auto all = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 40; ++i) {
        (void)group.spawn(one, io.now() + Nanoseconds(1'000'000 + random.below(1'000'000'000)));
      }
      co_return;
    };
    co_await with_task_group(io, all);
    require(std::ranges::is_sorted(woken) && woken.size() == 40, "out of order");
  };
  explore("sleepers", sleepers, 1, 200);
}

}  // namespace
}  // namespace polyio::sim_test
