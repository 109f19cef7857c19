// Contract: received bytes lie in borrowed buffers; they come back, and running out of them waits.
#include <deque>
#include <polyio/sync/event.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class LeaseTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(LeaseTest);

// More messages than there can be buffers: each comes back with the next assignment.
TEST_P(LeaseTest, ComesBackWithTheNextReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    Lease held;
    for (int i = 0; i < 3000; ++i) {
      const std::string text = std::to_string(i);
      raw.send(text);
      auto chunk = co_await stream.receive();
      POLYIO_REQUIRE(chunk && chunk->text() == text);
      held = std::move(*chunk);
    }
    EXPECT_EQ(held.text(), "2999");
  };
  run(body);
}

// One receive waits where no bytes are, so as many may wait as there are connections.
TEST_P(LeaseTest, HeldByHundredsOfConnectionsAtOnce) {
  constexpr int connections = 300;
  std::vector<std::pair<Stream, Raw>> all;
  for (int i = 0; i < connections; ++i) all.push_back(half());
  int waiting = 0, holding = 0, right = 0;
  Event everybody;
  auto holder = [&](int number) -> Task<> {
    ++waiting;
    auto chunk = co_await all[static_cast<std::size_t>(number)].first.receive();
    POLYIO_REQUIRE(chunk);
    if (++holding == connections) everybody.set();
    (void)co_await everybody.wait(io());
    right += chunk->text() == "message " + std::to_string(number);
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < connections; ++i) {
      auto spawned = group.spawn(holder, i);
      EXPECT_TRUE(spawned);
    }
    co_await until([&] { return waiting == connections; });
    for (int i = 0; i < connections; ++i) {
      all[static_cast<std::size_t>(i)].second.send("message " + std::to_string(i));
    }
  };
  run(body);
  EXPECT_EQ(right, connections);
  for (auto& [stream, client] : all) client.reset();  // leaves no port in TIME-WAIT
}

// Leases are held until no buffer is left; what arrives then waits.
class ManyLeasesTest : public LeaseTest {
 protected:
  static constexpr std::size_t large = 32;
  DriverOptions options() const override { return {.leases = large}; }
  // Lets the receiver run; true when it has had time enough to come to where it can't go on.
  Task<bool> given_time(std::size_t& idle) {
    if (held.size() < large) idle = 0;
    if (model() == "blocking") {
      (void)co_await io().sleep(200us);  // its thread has to get the processor
    } else {
      co_await turns(1);
    }
    co_return ++idle > 20;
  }
  const std::string block = pattern(60'000);
  std::deque<Lease> held;
};
POLYIO_ON_EVERY_MODEL(ManyLeasesTest);

TEST_P(ManyLeasesTest, RunningOutOfBuffersWaits) {
  constexpr std::size_t messages = 60;
  auto [stream, raw] = half();
  std::size_t received = 0;
  bool right = true;
  auto holder = [&, &in = stream]() -> Task<> {
    while (received < messages * block.size()) {
      auto chunk = co_await in.receive();
      POLYIO_REQUIRE(chunk && !chunk->empty());
      const std::size_t at = received % block.size();
      right = right && at + chunk->size() <= block.size() &&
              chunk->text() == std::string_view(block).substr(at, chunk->size());
      received += chunk->size();
      held.push_back(std::move(*chunk));
    }
  };
  auto body = [&, &out = raw](TaskGroup& group) -> Task<> {
    (void)group.spawn(holder);
    for (std::size_t i = 1; i <= messages && group.running() > 0; ++i) {
      out.send(block);
      for (std::size_t idle = 0; received < i * block.size() && group.running() > 0;) {
        auto stuck = co_await given_time(idle);
        if (stuck) held.pop_front();  // one comes back
      }
    }
    co_await until([&] { return group.running() == 0; });
    held.clear();
  };
  run(body);
  EXPECT_EQ(received, messages * block.size());
  EXPECT_TRUE(right);
  stream.close();
}

// A receive that waits for a buffer can be cancelled like any other.
TEST_P(ManyLeasesTest, WaitingForABufferCanBeCancelled) {
  auto [stream, raw] = half();
  CancelScope* scope = nullptr;
  auto holder = [&, &in = stream]() -> Task<> {
    CancelScope own(io());
    scope = &own;
    for (;;) {
      auto chunk = co_await in.receive();
      if (!chunk) {
        EXPECT_TRUE(cancelled(chunk));
        break;
      }
      held.push_back(std::move(*chunk));
    }
    scope = nullptr;
  };
  auto body = [&, &out = raw](TaskGroup& group) -> Task<> {
    (void)group.spawn(holder);
    bool stuck = false;
    for (std::size_t idle = 0; !stuck && held.size() < std::size_t{100} && group.running() > 0;) {
      const std::size_t before = held.size();
      (void)out.send_what_fits(block);
      {
        auto awaited = co_await given_time(idle);
        stuck = std::move(awaited);
      }
      if (held.size() != before) idle = 0;
    }
    if (scope) scope->cancel();
    co_await until([&] { return group.running() == 0; });
    held.clear();
  };
  run(body);
  stream.close();
}

}  // namespace
}  // namespace polyio::contract
