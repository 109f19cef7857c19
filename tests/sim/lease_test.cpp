// Leases and turns over the sim driver: who waits for a buffer, and for how much a job goes on.
#include "pair.hpp"

namespace polyio::sim_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SimLeases, AReceiveWaitsForABuffer) {
  SimOptions options;
  options.lease_limit = 1;
  for_pair(
      [](Io& io, SimDriver&, Pair& pair) -> Task<> {
        auto to_server = co_await pair.client.send_all("a");
        auto to_client = co_await pair.server.send_all("b");
        require(to_server && to_client, "not sent");
        auto held = co_await pair.server.receive();
        auto own = co_await pair.client.receive();
        require(held && own, "nothing came");
        auto more = co_await pair.server.send_all("c");
        require(more.has_value(), "not sent");
        {
          CancelScope moment(io, seconds(1));
          auto starved = co_await pair.client.receive();
          EXPECT_TRUE(!starved && moment.timed_out());
        }
        own = Lease();
        auto chunk = co_await pair.client.receive();
        EXPECT_TRUE(chunk && chunk->text() == "c");
      },
      options);
  for_pair(
      [](Io& io, SimDriver&, Pair& pair) -> Task<> {
        auto to_server = co_await pair.client.send_all("a");
        auto to_client = co_await pair.server.send_all("b");
        require(to_server && to_client, "not sent");
        auto hold = [](Io& on, Stream& stream) -> Task<> {
          auto held = co_await stream.receive();
          (void)co_await on.sleep(seconds(1));
        };
        auto both = [&](TaskGroup& group) -> Task<> {
          (void)group.spawn(hold, io, pair.server);
          (void)co_await io.sleep(milliseconds(100));
          auto own = co_await pair.client.receive();
          EXPECT_TRUE(own && own->text() == "b");
          auto more = co_await pair.server.send_all("c");
          EXPECT_TRUE(more);
          auto chunk = co_await pair.client.receive();  // when the large one comes back
          EXPECT_TRUE(chunk && chunk->text() == "c");
        };
        co_await with_task_group(io, both);
      },
      options);
}

// Clients that send and do not read, so that the handlers hold their leases for good.
TEST(SimLeases, HoldersOfLeasesDoNotStarveOthers) {
  const auto without_loss = [](std::uint64_t seed) {
    SimOptions options = SimOptions::from_seed(seed);
    options.reset = options.accept_fault = options.open_fault = 0;
    options.refused = options.unreachable = 0;
    options.lease_limit = 1 + static_cast<std::uint32_t>(seed % 3);
    // A ping has room in the window: it is sent whole before its answer is read.
    options.window_min = std::max(options.window_min, 4u);
    options.window_max = std::max(options.window_max, options.window_min);
    return options;
  };
  const auto scenario = [](Io& io, SimDriver&, Random&) -> Task<> {
    auto listener = io.listen(address("10.0.0.1:80"), 16);
    require(listener.has_value(), "cannot listen");
    auto echo = [](Stream stream) -> Task<> {
      for (;;) {
        auto chunk = co_await stream.receive();
        if (!chunk || chunk->empty()) co_return;
        auto sent = co_await stream.send_all(chunk->bytes());
        if (!sent) co_return;
      }
    };
    auto hoard = [](Stream stream) -> Task<> {
      const std::string text(300'000, 'x');
      (void)co_await stream.send_all(text);
    };
    auto all = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 6; ++i) {
        Pair pair = co_await make_pair(io, *listener);
        (void)group.spawn(echo, std::move(pair.server));
        (void)group.spawn(hoard, std::move(pair.client));
      }
      (void)co_await io.sleep(seconds(5));
      Pair pair = co_await make_pair(io, *listener);
      (void)group.spawn(echo, std::move(pair.server));
      for (int i = 0; i < 20; ++i) {
        auto sent = co_await pair.client.send_all("ping");
        require(sent.has_value(), "not sent");
        std::array<std::byte, 4> room;
        for (std::size_t got = 0; got < room.size();) {
          auto count = co_await pair.client.receive_into(std::span(room).subspan(got));
          require(count && *count > 0, "no answer");
          got += *count;
        }
      }
      group.cancel();
    };
    co_await with_task_group(io, all);
  };
  explore("hoarders", scenario, 1, 60, without_loss);
}

// The receiver's operations all end at once. What it gets between two turns of another job:
TEST(SimTurns, AFloodTakesNoMoreThanItsTurn) {
  SimOptions options;
  options.inline_completion = 1000;
  options.readiness = options.short_count = 0;
  options.window_min = options.window_max = options.segment_max = 1 << 20;
  for (const std::uint32_t size : {65'536u, 40'000u, 100u}) {
    options.lease_size = size;
    for_pair(
        [size](Io& io, SimDriver&, Pair& pair) -> Task<> {
          const std::string text(std::size_t{size} * (size > 1'000 ? 6 : 200), 'x');
          auto sent = co_await pair.client.send_all(text);
          require(sent.has_value(), "not sent");
          (void)co_await io.sleep(seconds(1));
          std::size_t received = 0, between = 0, most = 0;
          auto receiver = [&]() -> Task<> {
            while (received < text.size()) {
              auto chunk = co_await pair.server.receive();
              require(chunk && !chunk->empty(), "nothing came");
              received += chunk->size();
              most = std::max(most, between += chunk->size());
            }
          };
          auto both = [&](TaskGroup& group) -> Task<> {
            (void)group.spawn(receiver);
            while (received < text.size()) {
              between = 0;
              (void)co_await io.yield();
            }
          };
          co_await with_task_group(io, both);
          EXPECT_LE(most, std::min<std::size_t>(128 * 1024, 65 * std::size_t{size}));
        },
        options);
  }
}

}  // namespace
}  // namespace polyio::sim_test
