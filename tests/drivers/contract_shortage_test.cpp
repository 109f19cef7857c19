// Contract: when all large buffers are held by leases, those who hold them wait for one another,
// and everybody else is served.
#include <polyio/sync/event.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class ShortageTest : public ContractTest {
 protected:
  static constexpr std::uint32_t large = 8;
  DriverOptions options() const override { return {.leases = large}; }

  void TearDown() override {
    if (!IsSkipped()) {
      let_go();  // before its Io, also when the case broke off
      const LeaseCounts left = io().driver().leases();
      EXPECT_EQ(left.large + left.own, 0u);
    }
    ContractTest::TearDown();
  }
  // One lease more that is held, of a connection of its own.
  Task<> hold_one() {
    others_.push_back(half());
    others_.back().second.send("held");
    auto chunk = co_await others_.back().first.receive();
    POLYIO_REQUIRE(chunk && chunk->text() == "held");
    held_.push_back(std::move(*chunk));
  }
  Task<> hold_all_large() {
    while (held_.size() < large) co_await hold_one();
  }
  // A connection that holds nothing gets its messages.
  Task<> serve(int messages) {
    auto [stream, raw] = half();
    for (int i = 0; i < messages; ++i) {
      const std::string text = "message " + std::to_string(i);
      raw.send(text);
      auto chunk = co_await stream.receive();
      POLYIO_REQUIRE(chunk && chunk->text() == text);
    }
  }
  void let_go() {
    held_.clear();
    others_.clear();
  }

  std::vector<std::pair<Stream, Raw>> others_;
  std::vector<Lease> held_;
};
POLYIO_ON_EVERY_MODEL(ShortageTest);

TEST_P(ShortageTest, AFreshConnectionIsServedBesideHolders) {
  int shortages = 0;
  io().on_lease_shortage([&] {
    ++shortages;
    EXPECT_EQ(io().driver().leases().large, large);
  });
  auto body = [&](TaskGroup&) -> Task<> {
    co_await hold_all_large();
    EXPECT_EQ(shortages, 0);
    while (held_.size() < std::size_t{5} * large) co_await hold_one();
    EXPECT_GE(shortages, 4 * int{large});
    const LeaseCounts counts = io().driver().leases();
    EXPECT_EQ(counts.large, large);
    EXPECT_EQ(counts.own, held_.size() - large);
    co_await serve(100);
    for (const Lease& lease : held_) EXPECT_EQ(lease.text(), "held");
    let_go();
    co_await serve(10);
  };
  run(body);
}

TEST_P(ShortageTest, IsSaidOnceWhereNothingElseListens) {
  auto body = [&](TaskGroup&) -> Task<> {
    while (held_.size() < std::size_t{3} * large) co_await hold_one();
    let_go();
  };
  testing::internal::CaptureStderr();
  run(body);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(said.starts_with("polyio: the receive buffers have run out")) << said;
  EXPECT_EQ(said.find("polyio:", 1), said.npos) << said;
}

// A connection that gives its own buffer back is not behind the others that wait.
TEST_P(ShortageTest, GivingOnesOwnBackIsEnough) {
  std::pair<Stream, Raw> slow = half(), quick = half();
  Lease slow_first, quick_first;
  std::string slow_got, quick_got;
  auto receiver = [](Stream& stream, std::string& got) -> Task<> {
    auto chunk = co_await stream.receive();
    POLYIO_REQUIRE(chunk);
    got = chunk->text();
  };
  auto first = [](std::pair<Stream, Raw>& from, Lease& lease) -> Task<> {
    from.second.send("first");
    auto chunk = co_await from.first.receive();
    POLYIO_REQUIRE(chunk && chunk->text() == "first");
    lease = std::move(*chunk);
    from.second.send("second");
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    co_await hold_all_large();
    co_await first(slow, slow_first);
    co_await first(quick, quick_first);
    {
      CancelScope moment(io(), 2ms);
      auto none = co_await quick.first.receive();
      EXPECT_TRUE(timed_out(none));
    }
    (void)group.spawn(receiver, slow.first, slow_got);
    co_await turns(5);
    (void)group.spawn(receiver, quick.first, quick_got);
    co_await turns(5);
    quick_first = Lease();
    co_await until([&] { return !quick_got.empty(); });
    EXPECT_EQ(quick_got, "second");
    EXPECT_EQ(slow_got, "");
    held_.pop_back();  // a large one: for whoever has waited longest
    co_await until([&] { return group.running() == 0; });
    EXPECT_EQ(slow_got, "second");
    slow_first = Lease();
    let_go();
  };
  run(body);
  slow.first.close();
  quick.first.close();
}

TEST_P(ShortageTest, MemoryOfOnesOwnNeedsNoLease) {
  auto body = [&](TaskGroup&) -> Task<> {
    co_await hold_all_large();
    auto [stream, raw] = half();
    raw.send("lent");
    auto chunk = co_await stream.receive();
    POLYIO_REQUIRE(chunk && chunk->text() == "lent");
    const std::string text = pattern(20'000);
    raw.send(text);
    std::string got, room(300, '\0');
    while (got.size() < text.size()) {
      auto count = co_await stream.receive_into(std::as_writable_bytes(std::span(room)));
      POLYIO_REQUIRE(count && *count > 0);
      got.append(room, 0, *count);
    }
    EXPECT_TRUE(got == text);
    EXPECT_EQ(chunk->text(), "lent");
    raw.send("more");
    {
      CancelScope moment(io(), 2ms);
      auto none = co_await stream.receive();
      EXPECT_TRUE(timed_out(none));
    }
    chunk = Lease();
    auto more = co_await stream.receive();
    EXPECT_TRUE(more && more->text() == "more");
    let_go();
  };
  run(body);
}

// The next connection has the same slot.
TEST_P(ShortageTest, LeasesOutliveTheirStreams) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (std::size_t i = 0; i < std::size_t{4} * large; ++i) {
      co_await hold_one();
      others_.clear();
      if (i % 5 == 4) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i / 2 % 8));
    }
    for (const Lease& lease : held_) EXPECT_EQ(lease.text(), "held");
    while (!held_.empty()) {
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(held_.size() / 2));
      co_await serve(2);
    }
  };
  run(body);
}

// Each byte is a packet of its own, so a model that reads ahead has each in a buffer of its own.
TEST_P(ShortageTest, AFloodOfSmallMessagesIsNotLost) {
  constexpr int flooders = 12;
  constexpr std::size_t bytes = 300;
  const std::string text = pattern(bytes, 7);
  std::vector<std::pair<Stream, Raw>> all;
  for (int i = 0; i < flooders; ++i) all.push_back(half());
  int right = 0, holding = 0;
  Event go_on;
  auto handler = [&](Stream& stream) -> Task<> {
    std::string got;
    while (got.size() < bytes) {
      auto chunk = co_await stream.receive();
      POLYIO_REQUIRE(chunk && !chunk->empty());
      if (got.empty()) ++holding;
      got += chunk->text();
      (void)co_await go_on.wait(io());
    }
    right += got == text;
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (auto& [stream, raw] : all) (void)group.spawn(handler, stream);
    for (std::size_t i = 0; i < bytes; ++i) {
      for (auto& [stream, raw] : all) raw.send(std::string_view(text).substr(i, 1));
      co_await turns(1);
      if (i % 50 == 0) co_await serve(2);
    }
    co_await until([&] { return holding == flooders; });
    co_await serve(20);
    go_on.set();
    co_await until([&] { return group.running() == 0; });
  };
  run(body);
  EXPECT_EQ(right, flooders);
  all.clear();
}

}  // namespace
}  // namespace polyio::contract
