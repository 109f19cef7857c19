#include "server/limits_cases.hpp"

#include <polyio/io/task_group.hpp>

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(Limits, false);

class Iterative : public ServerTest {};
INSTANTIATE_TEST_SUITE_P(All, Iterative, testing::ValuesIn([] {
                           auto all = all_dials(false);
                           std::erase_if(all, [](const Position& dials) {
                             return dials.architecture != "iterative";
                           });
                           return all;
                         }()),
                         dials_name);

TEST_P(Iterative, ASecondClientWaitsUntilTheFirstHasGone) {
  Running running(options(), echo);
  running.start();
  Peer first = running.connect(), second = running.connect();
  first.expect_echo("first");
  second.send("second");
  for (int i = 0; i < 100; ++i) first.expect_echo("still the first");
  EXPECT_FALSE(second.anything_there());
  EXPECT_EQ(running.statistics().active, 1u);
  first.finish();
  EXPECT_EQ(second.read(6), "second");
}

TEST_P(Iterative, ASecondTaskIsRefusedWhereItWouldNeedAThread) {
  std::atomic<bool> spawned{false};
  std::error_code error;
  Running running(options(), [&](Io& io, Stream stream) -> Task<> {
    auto child = [&]() -> Task<> {
      spawned = true;
      co_return;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      const auto result = group.spawn(child);
      if (!result) error = result.error();
      co_return;
    };
    co_await with_task_group(io, body);
    co_await echo(io, std::move(stream));
  });
  running.start();
  running.connect().expect_echo("x");
  running.finish();
  const bool blocking = !find_model(GetParam().model)->has_loop;
  EXPECT_EQ(spawned, !blocking);
  EXPECT_EQ(error, blocking ? make_error_code(Errc::concurrency_unavailable) : std::error_code());
}

// Answers each byte and keeps its lease.
Task<> hoard(Io&, Stream stream) {
  std::vector<Lease> held;
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    held.push_back(std::move(*chunk));
    auto sent = co_await stream.send_all("x");
    if (!sent) co_return;
  }
}

TEST(ServerLeases, AShortageIsCountedAndLoggedOnce) {
  for (const Position& dials : all_dials(false)) {
    const bool either = dials.model == "io_uring" || dials.model == "epoll";  // one of each way
    if (dials.architecture != "loop" || !either) continue;
    SCOPED_TRACE(dials.model);
    ServerOptions options{.model = dials.model, .architecture = "loop"};
    options.signals = false;
    Running running(options, hoard);
    running.start();
    Peer hoarder = running.connect(), other = running.connect();
    for (std::uint32_t i = 0; i < lease_limit + 1; ++i) {
      if (i == lease_limit / 2) EXPECT_EQ(running.statistics().lease_shortages, 0u);
      hoarder.expect_echo("x");
    }
    hoarder.send("x");  // is not received any more
    other.expect_echo("x");
    EXPECT_GE(running.statistics().lease_shortages, 2u);
    EXPECT_FALSE(hoarder.anything_there());
    running.finish();
    const std::string log = running.log.text(), line = "all receive buffers of a loop are in use";
    EXPECT_NE(log.find(line), std::string::npos) << log;
    EXPECT_EQ(log.find(line), log.rfind(line)) << log;
  }
}

// Every way in which loops get their connections serves and stops alike.
TEST(ServerLoops, AcceptInThreeWays) {
  for (const Position& dials : all_dials(false)) {
    if (dials.architecture != "loops") continue;
    for (const char* way : {"hand-over", "shared", "reuseport"}) {
      const bool shareable = find_model(dials.model)->unshared_listener.empty();
      if (!shareable && way == std::string_view("shared")) continue;  // refused
      SCOPED_TRACE(dials.model + " " + way);
      ServerOptions options{.model = dials.model, .architecture = "loops", .workers = 3};
      options.accepting = way;
      options.signals = false;
      Running running(options, echo);
      running.start();
      std::vector<Peer> peers;
      for (int i = 0; i < 50; ++i) peers.push_back(running.connect());
      for (Peer& peer : peers) peer.expect_echo("here");
      EXPECT_EQ(running.statistics().active, 50u);
      running.finish();
      for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "");
    }
  }
}

}  // namespace
}  // namespace polyio::server_test
