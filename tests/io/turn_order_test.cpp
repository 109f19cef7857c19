// TurnOrder and OrderedLoop: the order that each policy gives a loop's jobs, on a clock that the
// test turns by hand; what is said of time here is exact.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/turn_order.hpp"

namespace polyio {
namespace {

using namespace std::chrono_literals;
using sched::Kind;

// --- the order alone ---

struct Order {
  explicit Order(Kind kind) : order(kind) {}
  Turn& make() { return turns.emplace_back(nullptr); }
  void add(Turn& turn, Turn::Back back = Turn::Back::waited) {
    turn.back = back;
    order.add(turn, now);
  }
  // Its name in the order in which they were made: 'a' is the first.
  char name(const Turn* turn) const {
    for (std::size_t i = 0; i < turns.size(); ++i) {
      if (&turns[i] == turn) return static_cast<char>('a' + i);
    }
    return '-';
  }
  // The next one has a turn of `span`.
  char turn(Nanoseconds span) {
    Turn* const next = order.take(now);
    if (!next) return '-';
    now += span;
    order.ran(*next, span);
    return name(next);
  }
  // All that are ready, in the order in which they go, for no time.
  std::string rest() {
    std::string all;
    while (const Turn* next = order.take(now)) all += name(next);
    return all;
  }

  TimePoint now{1h};
  std::deque<Turn> turns;
  TurnOrder order;
};

TEST(TurnOrder, SjfGoesByWhatTheLastTurnsTook) {
  Order order(Kind::sjf);
  for (int i = 0; i < 3; ++i) order.add(order.make());
  EXPECT_EQ(order.turn(4ms), 'a') << "nothing is known yet: as they came";
  EXPECT_EQ(order.turn(1ms), 'b');
  EXPECT_EQ(order.turn(2ms), 'c');
  for (Turn& turn : order.turns) order.add(turn);
  EXPECT_EQ(order.rest(), "bca");
  for (Turn& turn : order.turns) order.add(turn);
  order.add(order.make());
  EXPECT_EQ(order.rest(), "dbca") << "a new one is tried first";
}

TEST(TurnOrder, SjfForgets) {
  Order order(Kind::sjf);
  Turn &a = order.make(), &b = order.make();
  order.add(a);
  EXPECT_EQ(order.turn(4ms), 'a');
  order.add(b);
  EXPECT_EQ(order.turn(1ms), 'b');
  for (int i = 0; i < 4; ++i) {
    order.add(a);
    EXPECT_EQ(order.turn(0ms), 'a');
  }
  order.add(b);
  order.add(a);
  EXPECT_EQ(order.rest(), "ab");
}

TEST(TurnOrder, RoundRobinKeepsTheOrderAndLimitsTheTurn) {
  Order order(Kind::rr);
  for (int i = 0; i < 3; ++i) order.add(order.make());
  EXPECT_EQ(order.order.span(order.turns[0]), TurnOrder::quantum);
  EXPECT_EQ(order.turn(4ms), 'a');
  order.add(order.turns[0], Turn::Back::goes_on);
  EXPECT_EQ(order.turn(1us), 'b');
  order.add(order.turns[1]);
  EXPECT_EQ(order.rest(), "cab");
}

TEST(TurnOrder, MlfqLetsThoseFallThatUseTheirQuantaUp) {
  Order order(Kind::mlfq);
  Turn &hog = order.make(), &light = order.make();
  for (std::uint32_t level = 0; level < TurnOrder::levels; ++level) {
    order.add(hog, Turn::Back::goes_on);
    EXPECT_EQ(hog.level, level);
    const Nanoseconds span = order.order.span(hog);
    EXPECT_EQ(span, TurnOrder::quantum * (1 << level));
    EXPECT_EQ(order.turn(span), 'a');
  }
  order.add(hog, Turn::Back::goes_on);
  EXPECT_EQ(hog.level, TurnOrder::levels - 1) << "the last is round robin";
  order.add(light);
  EXPECT_EQ(order.rest(), "ba");
}

TEST(TurnOrder, MlfqAddsUpTheTurnsOfOneThatDoesNotWait) {
  Order order(Kind::mlfq);
  Turn &polite = order.make(), &waits = order.make();
  for (int i = 0; i < 2; ++i) {
    order.add(polite, Turn::Back::yielded);
    EXPECT_EQ(order.turn(60us), 'a');
    order.add(waits, Turn::Back::waited);
    EXPECT_EQ(order.turn(60us), 'b');
  }
  order.add(polite, Turn::Back::yielded);
  order.add(waits);
  EXPECT_EQ(order.rest(), "ba");
  EXPECT_EQ(polite.level, 1u);
  EXPECT_EQ(waits.level, 0u);
}

TEST(TurnOrder, MlfqBoostsAll) {
  Order order(Kind::mlfq);
  Turn &ready = order.make(), &away = order.make();
  for (Turn* turn : {&ready, &away}) {
    order.add(*turn);
    (void)order.turn(1ms);
    order.add(*turn);
    EXPECT_EQ(turn->level, 1u);
    (void)order.turn(0ms);
  }
  order.add(ready);
  order.now += TurnOrder::boost_interval;
  (void)order.rest();
  EXPECT_EQ(ready.level, 0u);
  order.add(away);
  EXPECT_EQ(away.level, 0u) << "it was waiting at the time";
}

TEST(TurnOrder, AYieldLetsThoseGoFirstThatAreReady) {
  for (const Kind kind : {Kind::sjf, Kind::rr, Kind::mlfq}) {
    Order order(kind);
    Turn &hog = order.make(), &polite = order.make();
    order.add(hog);
    EXPECT_EQ(order.turn(1ms), 'a');
    order.add(hog);
    order.add(polite, Turn::Back::yielded);
    EXPECT_EQ(order.rest(), "ab") << sched::name_of(kind);
    order.add(hog);
    order.add(polite);
    EXPECT_EQ(order.rest(), kind == Kind::rr ? "ab" : "ba") << sched::name_of(kind);
  }
}

// Whoever is ready is served after a bounded time, whatever comes.
TEST(TurnOrder, NoneStarves) {
  for (const Kind kind : {Kind::sjf, Kind::mlfq}) {
    Order order(kind);
    std::vector<Turn*> long_ones;
    Turn* shorts[] = {&order.make(), &order.make()};
    for (int i = 0; i < 150; ++i) long_ones.push_back(&order.make());
    for (Turn* turn : long_ones) order.add(*turn);
    for (std::size_t i = 0; i < long_ones.size() * TurnOrder::levels; ++i) {  // they fall
      Turn* const turn = order.order.take(order.now);
      order.order.ran(*turn, 1ms);
      order.add(*turn, Turn::Back::goes_on);
    }
    order.now += TurnOrder::patience;  // all wait for too long from now on
    for (Turn* turn : shorts) order.add(*turn);
    std::map<Turn*, Nanoseconds> served;
    const TimePoint end = order.now + 900ms;  // before a boost
    while (order.now < end) {
      Turn* const turn = order.order.take(order.now);
      const bool is_short = turn == shorts[0] || turn == shorts[1];
      const Nanoseconds span = is_short ? 50us : 1ms;
      order.now += span;
      order.order.ran(*turn, span);
      served[turn] += span;
      order.add(*turn, is_short ? Turn::Back::waited : Turn::Back::goes_on);
    }
    Nanoseconds all{0};
    for (Turn* turn : long_ones) {
      EXPECT_GE(served[turn], 1ms) << sched::name_of(kind);
      all += served[turn];
    }
    EXPECT_LE(all, 900ms / 4 + 2ms) << "and those that go first keep three quarters";
  }
}

// --- a loop ---

// No I/O but sends, which end at once, and a clock that stands still unless a job works.
class HandDriver final : public Driver {
 public:
  explicit HandDriver(TimePoint& now, std::function<void()>& arrivals)
      : now_(now), arrivals_(arrivals) {}
  std::string_view name() const noexcept override { return "hand"; }
  Result<Handle> listen(const os::Address&, int) override { return fail(EOPNOTSUPP); }
  Result<Handle> open(int) override { return fail(EOPNOTSUPP); }
  Result<Handle> adopt(int socket) override {
    os::UniqueFd(socket).reset();
    return Handle(1, 1);
  }
  Result<os::UniqueFd> release(Handle) override { return fail(EOPNOTSUPP); }
  void close(Handle) noexcept override {}
  Result<> shutdown(Handle, int) override { return {}; }
  Result<os::Address> local_address(Handle) override { return fail(EOPNOTSUPP); }
  Result<os::Address> peer_address(Handle) override { return fail(EOPNOTSUPP); }
  bool start(Op& op) override {
    now_ += 10us;
    op.result = 1;
    return true;
  }
  void cancel(Op&) override {}
  void poll(Deadline) override {
    if (arrivals_) arrivals_();
  }
  void wake() noexcept override {}
  TimePoint now() noexcept override { return now_; }
  void give_back(std::uint32_t) noexcept override {}
  LeaseCounts leases() const noexcept override { return {}; }

 private:
  TimePoint& now_;
  std::function<void()>& arrivals_;
};

class LoopTest : public testing::TestWithParam<Kind> {
 protected:
  LoopTest() { io.set_policy(GetParam()); }
  void run(const std::function<Task<>(TaskGroup&)>& body) {
    io.run(with_task_group(io, body));
    EXPECT_EQ(io.jobs(), 0u);
  }
  // Works for `span` a turn, `turns` times, and yields after each.
  Task<> hog(char name, Nanoseconds span, int turns) {
    for (int i = 0; i < turns; ++i) {
      log += name;
      now += span;
      (void)co_await io.yield();
    }
    if (++ended == hogs) over = true;
  }
  // Whenever the loop looks at its events there is one for it.
  Task<> light() {
    Job* const self = &io.current();
    arrivals = [this, self] { io.unpark(*self); };
    while (!over) {
      log += 's';
      now += 5us;
      (void)co_await io.park();
    }
    arrivals = {};
  }

  TimePoint now{1h};
  std::function<void()> arrivals;
  Io io{std::make_unique<HandDriver>(now, arrivals)};
  std::string log;
  int hogs = 0, ended = 0;
  bool over = false;
};
std::string name_of_case(const testing::TestParamInfo<Kind>& of) {
  return std::string(sched::name_of(of.param));
}
INSTANTIATE_TEST_SUITE_P(Every, LoopTest,
                         testing::Values(Kind::fcfs, Kind::sjf, Kind::rr, Kind::mlfq),
                         name_of_case);

TEST_P(LoopTest, AYieldLetsAllOthersRun) {
  const auto writer = [this](char letter) { return hog(letter, 0us, 3); };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (const char letter : {'a', 'b', 'c'}) (void)group.spawn(writer, letter);
    co_return;
  };
  run(body);
  EXPECT_EQ(log, "abcabcabc");
}

TEST_P(LoopTest, WhoNeedsLittleGoesBeforeThoseThatKeepTheLoopBusy) {
  hogs = 3;
  const auto busy = [this](char letter) { return hog(letter, 1ms, 12); };
  const auto short_turns = [this] { return light(); };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (const char letter : {'1', '2', '3'}) (void)group.spawn(busy, letter);
    (void)group.spawn(short_turns);
    co_return;
  };
  run(body);
  std::size_t before = log.find('s', 6), most = 0;  // others between two of its turns
  for (std::size_t at = before; (at = log.find('s', at + 1)) != std::string::npos; before = at) {
    most = std::max(most, at - before - 1);
  }
  if (GetParam() == Kind::fcfs || GetParam() == Kind::rr) {
    EXPECT_GE(most, 3u) << log;
  } else {
    EXPECT_EQ(most, 1u) << log;
  }
}

TEST_P(LoopTest, ATurnEndsWithItsQuantum) {
  std::vector<int> turns;  // operations in each
  auto sender = [&](Stream& stream, int& count) -> Task<> {
    for (int i = 0; i < 300; ++i) {
      ++count;
      (void)co_await stream.send_all("x");
    }
    over = true;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    auto stream = io.adopt(os::UniqueFd());
    int count = 0;
    (void)group.spawn(sender, *stream, count);
    while (!over) {
      (void)co_await io.yield();
      turns.push_back(std::exchange(count, 0));
    }
  };
  run(body);
  turns.resize(5);
  if (turns[0] == 0) turns.erase(turns.begin());
  turns.resize(4);
  switch (GetParam()) {  // an operation takes 10 us, and eight pass between two looks at the clock
    case Kind::fcfs:
    case Kind::sjf: EXPECT_EQ(turns, (std::vector{64, 64, 64, 64})); break;
    case Kind::rr: EXPECT_EQ(turns, (std::vector{16, 16, 16, 16})); break;
    case Kind::mlfq: EXPECT_EQ(turns, (std::vector{16, 24, 40, 64})); break;
  }
}

TEST_P(LoopTest, IsRefusedWhereJobsHaveThreads) {
  Io threads(*make_driver("blocking"));
  if (GetParam() == Kind::fcfs) return threads.set_policy(GetParam());
  try {
    threads.set_policy(GetParam());
    ADD_FAILURE() << "it was taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()).find("policy " + std::string(sched::name_of(GetParam()))),
              0u);
  }
}

}  // namespace
}  // namespace polyio
