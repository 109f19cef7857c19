// Io::set_driver on the simulated network: the driver is replaced at any moment of an echo, with
// operations in flight, cancels on their way, leases out and bytes and connections taken ahead.
#include "echo_scenario.hpp"

namespace polyio::sim_test {
namespace {

// Up to six times, some at the same moment, until cancelled.
Task<> replace_now_and_then(Io& io, SimDriver& sim, std::uint64_t seed) {
  Random random(seed);
  for (auto left = 1 + random.below(6); left > 0; --left) {
    if (random.chance(4, 5)) {
      auto slept = co_await io.sleep(Nanoseconds(random.below(8'000'000)));
      if (!slept) co_return;
    }
    if (random.chance(1, 2)) (void)co_await io.yield();  // before the jobs that have just received
    auto set = io.set_driver(sim.another());
    require(set.has_value(), "the driver could not be replaced");
  }
}

Scenario echo_while_replacing(Handler handler) {
  return [handler](Io& io, SimDriver& sim, Random& random) -> Task<> {
    const std::uint64_t seed = random.next();
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(replace_now_and_then, io, sim, seed);
      co_await echo_with(handler, io, sim, random);
      group.cancel();
    };
    co_await with_task_group(io, both);
  };
}

TEST(SimSetDriver, EveryByteOfAnEchoComesBackOnceAndInOrder) {
  explore("set driver", echo_while_replacing(upper), 1, 8'000);
}

// The receive has ended, but its job has not been resumed when the driver is replaced.
TEST(SimSetDriver, ALeaseThatItsJobHasNotTakenYetGoesBackToTheDriverThatLentIt) {
  const auto scenario = [](Io& io, SimDriver& sim, Random&) -> Task<> {
    auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 4);
    auto client = co_await io.connect(*listener->local_address());
    auto server = co_await listener->accept();
    auto receive = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&]() -> Task<> {
        auto lease = co_await server->receive();
        require(lease && lease->text() == "x", "received");
      });
      auto sent = co_await client->send_all("x");
      require(sent.has_value(), "sent");
      // What yields is ready before what a wait brings.
      while (io.driver().leases().large == 0) (void)co_await io.yield();
      require(io.set_driver(sim.another()).has_value(), "replaced");
      require(io.driver().leases().large == 0, "it is the driver's before");
    };
    co_await with_task_group(io, receive);
  };
  SimOptions options;
  options.readiness = 0;
  options.ahead = 0;
  EXPECT_EQ(run_seed(scenario, options).failure, "");
}

// One connection: `client` bytes are there before the server asks for any.
Task<> receive_after(Io& io, SimDriver& sim, bool leases) {
  auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 4);
  auto client = co_await io.connect(*listener->local_address());
  auto server = co_await listener->accept();
  auto sent = co_await client->send_all("0123456789");
  require(sent.has_value(), "sent");
  (void)co_await io.sleep(std::chrono::seconds(1));
  require(!server->quiet(), "bytes have come");
  require(io.set_driver(sim.another()).has_value(), "replaced");
  require(!server->quiet(), "they are still there, wherever they are now");
  require(client->shutdown_send().has_value(), "finished");
  std::string got;
  for (bool ended = false; !ended;) {
    if (leases) {
      auto lease = co_await server->receive();
      require(lease.has_value(), "received");
      got += lease->text();
      ended = lease->empty();
    } else {
      std::array<char, 3> room;
      auto count = co_await server->receive_into(std::as_writable_bytes(std::span(room)));
      require(count.has_value(), "received");
      got.append(room.data(), *count);
      ended = *count == 0;
    }
  }
  require(got == "0123456789", got);
}

TEST(SimSetDriver, WhatWasReceivedAheadComesFirstByLeaseOrInto) {
  for (const bool leases : {true, false}) {
    const auto scenario = [&](Io& io, SimDriver& sim, Random&) {
      return receive_after(io, sim, leases);
    };
    const auto always = [](std::uint64_t seed) {
      SimOptions options;
      options.seed = seed;
      options.ahead = seed % 4 == 0 ? 0 : 900;
      return options;
    };
    const auto failed = find_failure(scenario, 1, 200, always);
    EXPECT_FALSE(failed) << "seed " << failed->seed << ": " << failed->failure;
  }
}

TEST(SimSetDriver, WhatWasTakenAheadGoesWithItsHandle) {
  const auto scenario = [](Io& io, SimDriver& sim, Random&) -> Task<> {
    auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 4);
    auto one = co_await io.connect(*listener->local_address());
    auto two = co_await io.connect(*listener->local_address());
    auto served = co_await listener->accept();
    auto sent = co_await one->send_all("unread");
    require(sent.has_value(), "sent");
    (void)co_await io.sleep(std::chrono::seconds(1));
    require(io.set_driver(sim.another()).has_value(), "replaced");
    served->close();
    listener->close();
  };
  const auto always = [](std::uint64_t seed) {
    SimOptions options;
    options.seed = seed;
    options.ahead = 1000;
    return options;
  };
  const auto failed = find_failure(scenario, 1, 50, always);
  EXPECT_FALSE(failed) << "seed " << failed->seed << ": " << failed->failure;
}

TEST(SimSetDriver, ADriverOfAnotherNetworkIsRefusedAndNothingChanges) {
  const auto scenario = [](Io& io, SimDriver& sim, Random&) -> Task<> {
    auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 4);
    Driver* const before = &io.driver();
    auto set = io.set_driver(std::make_unique<SimDriver>(SimOptions{}));
    require(!set && set.error() == errno_code(EOPNOTSUPP), "refused");
    require(before == &io.driver(), "nothing changes");
    require(io.set_driver(sim.another()).has_value(), "one of its own network is taken");
    co_return;
  };
  EXPECT_EQ(run_seed(scenario, SimOptions{}).failure, "");
}

}  // namespace
}  // namespace polyio::sim_test
