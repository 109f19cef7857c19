// What the sim driver itself promises, one case each, mostly without faults.
#include "pair.hpp"

namespace polyio::sim_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Task<Result<std::string>> receive_all(Stream& stream) {
  std::string all;
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk) co_return fail(chunk.error());
    if (chunk->empty()) co_return all;
    all += chunk->text();
  }
}

bool is(const Result<>& result, int error) {
  return !result && result.error() == errno_code(error);
}

TEST(SimDriver, AddressesAndPortsAreMadeUp) {
  for_pair([](Io&, SimDriver&, Pair& pair) -> Task<> {
    EXPECT_EQ(pair.client.local_address()->text(), "10.0.0.2:32768");
    EXPECT_EQ(pair.client.peer_address()->text(), "10.0.0.1:80");
    EXPECT_EQ(pair.server.peer_address()->text(), "10.0.0.2:32768");
    EXPECT_EQ(pair.server.local_address()->text(), "10.0.0.1:80");
    co_return;
  });
}

TEST(SimDriver, ListenersTakeTurnsAtAPort) {
  const auto scenario = [](Io& io, SimDriver&, Random&) -> Task<> {
    auto first = io.listen(address("127.0.0.1:0"), 1);
    require(first && first->local_address()->port() != 0, "no port given");
    auto second = io.listen(*first->local_address(), 1);
    EXPECT_EQ(second.error(), errno_code(EADDRINUSE));
    const auto at = *first->local_address();
    first->close();
    auto refused = co_await io.connect(at);
    EXPECT_EQ(refused.error(), errno_code(ECONNREFUSED));
    auto third = io.listen(at, 1);
    EXPECT_TRUE(third.has_value());
  };
  explore("ports", scenario, 1, 20, without_faults);
}

TEST(SimDriver, TheEndComesAfterTheData) {
  for_pair([](Io&, SimDriver&, Pair& pair) -> Task<> {
    auto sent = co_await pair.client.send_all("all of this");
    require(sent && pair.client.shutdown_send(), "not sent");
    auto late = co_await pair.client.send_all("more");
    EXPECT_TRUE(is(late, EPIPE));
    auto all = co_await receive_all(pair.server);
    EXPECT_EQ(all.value_or("an error"), "all of this");
    auto answered = co_await pair.server.send_all("the other half");  // still open
    require(answered.has_value(), "half-closed means closed");
    pair.server.close();
    auto answer = co_await receive_all(pair.client);
    EXPECT_EQ(answer.value_or("an error"), "the other half");
  });
}

TEST(SimDriver, ASenderWaitsForARoomInTheWindow) {
  SimOptions options;
  options.window_min = options.window_max = 100;
  for_pair(
      [](Io& io, SimDriver&, Pair& pair) -> Task<> {
        bool sent = false;
        const std::string text(1'000, 'x');
        auto send = [&]() -> Task<> {
          auto result = co_await pair.client.send_all(text);
          sent = result.has_value();
          (void)pair.client.shutdown_send();
        };
        auto both = [&](TaskGroup& group) -> Task<> {
          (void)group.spawn(send);
          (void)co_await io.sleep(seconds(60));
          EXPECT_FALSE(sent);
          auto all = co_await receive_all(pair.server);
          EXPECT_EQ(all.value_or("an error"), text);
        };
        co_await with_task_group(io, both);
        EXPECT_TRUE(sent);
      },
      options);
}

TEST(SimDriver, AResetIsReportedOnceAndThenTheEnd) {
  SimOptions options;
  options.reset_discards = 1000;
  for_pair(
      [](Io& io, SimDriver& sim, Pair& pair) -> Task<> {
        auto sent = co_await pair.client.send_all("lost");
        require(sent.has_value(), "not sent");
        EXPECT_FALSE(sim.was_reset(*pair.client.local_address()));
        sim.reset_connection(*pair.client.local_address());
        EXPECT_TRUE(sim.was_reset(*pair.client.local_address()));
        (void)co_await io.sleep(milliseconds(100));
        auto first = co_await receive_all(pair.server);
        EXPECT_EQ(first.error(), errno_code(ECONNRESET));
        auto second = co_await receive_all(pair.server);
        EXPECT_EQ(second.value_or("an error"), "");
        auto third = co_await pair.server.send_all("x");
        EXPECT_TRUE(is(third, EPIPE));
        auto other = co_await pair.client.send_all("x");
        EXPECT_TRUE(is(other, ECONNRESET));
      },
      options);
}

TEST(SimDriver, ClosingWithUnreadBytesResets) {
  for_pair([](Io& io, SimDriver& sim, Pair& pair) -> Task<> {
    auto sent = co_await pair.client.send_all("never read");
    require(sent.has_value(), "not sent");
    (void)co_await io.sleep(milliseconds(10));
    pair.server.close();
    auto answer = co_await receive_all(pair.client);
    EXPECT_EQ(answer.error(), errno_code(ECONNRESET));
    EXPECT_FALSE(sim.was_reset(*pair.client.local_address()));  // no fault of the network's
  });
}

TEST(SimDriver, TheIdleTimeoutSparesASendThatMovesOn) {
  SimOptions options;
  options.window_min = options.window_max = 100;
  for_pair(
      [](Io& io, SimDriver&, Pair& pair) -> Task<> {
        io.set_idle_timeout(milliseconds(200));
        auto read = [&io](Stream& stream) -> Task<> {
          std::array<std::byte, 100> room;
          for (std::size_t total = 0; total < 9'000;) {
            (void)co_await io.sleep(milliseconds(20));
            auto count = co_await stream.receive_into(room);
            require(count && *count > 0, "the reader got nothing");
            total += *count;
          }
        };
        auto both = [&](TaskGroup& group) -> Task<> {
          (void)group.spawn(read, pair.server);
          const auto before = io.now();
          const std::string text(9'000, 'x');
          auto sent = co_await pair.client.send_all(text);
          EXPECT_TRUE(sent.has_value());
          EXPECT_GT(io.now() - before, milliseconds(400));
        };
        co_await with_task_group(io, both);
        auto nothing = co_await pair.client.receive();  // this one does not move on
        EXPECT_EQ(nothing.error(), errno_code(ETIMEDOUT));
        io.set_idle_timeout(Nanoseconds::zero());
      },
      options);
}

TEST(SimDriver, AFullBacklogDropsAndInTheEndTimesOut) {
  const auto scenario = [](Io& io, SimDriver&, Random&) -> Task<> {
    auto listener = io.listen(address("10.0.0.1:80"), 1);
    auto first = co_await io.connect(address("10.0.0.1:80"));
    EXPECT_TRUE(first.has_value());
    const auto before = io.now();
    auto second = co_await io.connect(address("10.0.0.1:80"));
    EXPECT_EQ(second.error(), errno_code(ETIMEDOUT));
    EXPECT_GE(io.now() - before, seconds(60));
  };
  explore("backlog", scenario, 1, 20, without_faults);
}

TEST(SimDriver, CancelledAcceptsLeakNothing) {
  const auto scenario = [](Io& io, SimDriver&, Random& random) -> Task<> {
    auto listener = io.listen(address("10.0.0.1:80"), 16);
    auto knock = [&io]() -> Task<> { (void)co_await io.connect(address("10.0.0.1:80")); };
    auto all = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 8; ++i) (void)group.spawn(knock);
      for (int i = 0; i < 16; ++i) {
        CancelScope moment(io, Nanoseconds(random.below(300'000)));
        (void)co_await listener->accept();
      }
    };
    co_await with_task_group(io, all);
  };
  explore("accepts", scenario, 1, 500);
}

TEST(SimDriver, ADescriptorIsNeitherTakenNorGiven) {
  for_pair([](Io& io, SimDriver& sim, Pair& pair) -> Task<> {
    EXPECT_EQ(pair.client.release().error(), errno_code(EOPNOTSUPP));
    EXPECT_EQ(sim.open_handles(), 2u);
    EXPECT_EQ(io.driver().adopt(3).error(), errno_code(EBADF));
    EXPECT_FALSE(pair.client);
    co_return;
  });
}

TEST(SimDriver, ADeadlockNamesTheWaiters) {
  SimDriver* sim = nullptr;
  auto* io = new Io([&] {
    auto driver = std::make_unique<SimDriver>(SimOptions{});
    sim = driver.get();
    return driver;
  }());
  static auto& abandoned = *new std::vector<Io*>;  // it can't be destroyed any more
  abandoned.push_back(io);
  auto waits_for_ever = [io]() -> Task<> {
    auto listener = io->listen(address("10.0.0.1:80"), 1);
    (void)co_await listener->accept();
  };
  static auto& kept = *new std::function<Task<>()>(waits_for_ever);
  try {
    io->run(kept());
    FAIL() << "no deadlock";
  } catch (const SimDeadlock& deadlock) {
    EXPECT_NE(std::string(deadlock.what()).find("accept on listener 10.0.0.1:80"),
              std::string::npos)
        << deadlock.what();
  }
}

TEST(SimDriver, AnEndlessRunIsADeadlockToo) {
  const auto scenario = [](Io& io, SimDriver&, Random&) -> Task<> {
    for (;;) {
      auto slept = co_await io.sleep(milliseconds(1));
      if (!slept) co_return;
    }
  };
  const auto found = find_failure(scenario, 1, 1, [](std::uint64_t) {
    SimOptions options;
    options.max_turns = 1'000;
    return options;
  });
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(found->failure.find("no end in sight"), std::string::npos) << found->failure;
}

TEST(SimDriver, TimeIsVirtual) {
  const auto scenario = [](Io& io, SimDriver&, Random&) -> Task<> {
    EXPECT_EQ(io.now(), TimePoint(std::chrono::hours(1)));
    (void)co_await io.sleep(std::chrono::hours(24 * 365));
    EXPECT_EQ(io.now(), TimePoint(std::chrono::hours(24 * 365 + 1)));
  };
  explore("a year", scenario, 1, 1);
}

TEST(SimDriverDeath, AStaleHandleIsNoticed) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  SimDriver sim(SimOptions{});
  const auto handle = sim.open(AF_INET);
  sim.close(*handle);
  EXPECT_DEATH(sim.close(*handle), "assertion failed");
  const auto next = sim.open(AF_INET);
  EXPECT_EQ(next->slot, handle->slot);
  EXPECT_DEATH(sim.close(*handle), "assertion failed");
  sim.close(*next);
}

}  // namespace
}  // namespace polyio::sim_test
