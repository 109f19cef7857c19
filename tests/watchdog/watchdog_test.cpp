// Watchdog: a job that holds its loop is told once, with its connection and where it is, and once
// more when it goes on; a loop that waits or works in short pieces is not told of.
#include <polyio/io/task_group.hpp>
#include <polyio/io/watchdog.hpp>
#include <polyio/linux/stack_sampler.hpp>
#include <polyio/linux/symbolizer.hpp>

#include <csignal>

#include "server/fixture.hpp"

namespace polyio {
namespace {

using namespace server_test;

// Runs on until `goes_on()`, at most 20 s. Not inlined: its name is what the report must have.
template <class Condition>
[[gnu::noinline]] void hold_the_loop(Condition goes_on) {
  const auto end = monotonic_now() + limit;
  while (!goes_on()) {
    if (monotonic_now() > end) {
      ADD_FAILURE() << "nobody told of it within the limit";
      return;
    }
  }
}

std::size_t count(const std::string& text, std::string_view words) {
  std::size_t found = 0;
  for (auto at = text.find(words); at != text.npos; at = text.find(words, at + 1)) ++found;
  return found;
}

// The models that have a loop.
std::vector<Position> loop_dials() {
  std::vector<Position> dials = all_dials(false);
  std::erase_if(dials, [](const Position& one) { return !one.architecture.starts_with("loop"); });
  return dials;
}

class WatchdogTest : public ServerTest {};
INSTANTIATE_TEST_SUITE_P(All, WatchdogTest, testing::ValuesIn(loop_dials()), dials_name);

TEST_P(WatchdogTest, TellsWhoHoldsTheLoopWhereAndThatItGoesOn) {
  ServerOptions with = options();
  with.watchdog = 20ms;
  Running* server = nullptr;
  auto handler = [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(chunk);
    // Held until the report has come, so the test can't be too fast or too slow for it. On a slow
    // machine there may be reports of other loops.
    hold_the_loop([&] { return server->log.text().find("hold_the_loop") != std::string::npos; });
    auto sent = co_await stream.send_all("done");
    EXPECT_TRUE(sent);
  };
  Running running(std::move(with), handler);
  server = &running;
  running.start();
  Peer peer = running.connect();
  const std::string from = peer.local_address().text();
  peer.send("x");
  EXPECT_EQ(peer.read(4), "done");
  ASSERT_TRUE(running.log.wait_for(" goes on after "));
  running.finish();
  const std::string log = running.log.text();
  // Once; a machine that is slow enough may hold another loop, too.
  EXPECT_EQ(count(log, "by the handler of " + from + ", in "), 1u) << log;
  EXPECT_NE(log.find("hold_the_loop"), std::string::npos) << log;
  EXPECT_NE(log.find("watchdog_test.cpp:"), std::string::npos) << log;
  EXPECT_EQ(log.find("Io::run"), std::string::npos) << "the loop itself is of no interest:\n"
                                                    << log;
}

// The thread that is held does not answer at first, as on a machine that has no time for it.
TEST_P(WatchdogTest, LooksAgainWhereTheThreadDidNotAnswer) {
  ServerOptions with = options();
  with.watchdog = 20ms;
  Running* server = nullptr;
  const auto logged = [&](const char* words) {
    return server->log.text().find(words) != std::string::npos;
  };
  auto handler = [&](Io&, Stream stream) -> Task<> {
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(chunk);
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    hold_the_loop([&] { return logged("where is not known"); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    hold_the_loop([&] { return logged("hold_the_loop"); });
    auto sent = co_await stream.send_all("done");
    EXPECT_TRUE(sent);
  };
  Running running(std::move(with), handler);
  server = &running;
  running.start();
  Peer peer = running.connect();
  peer.send("x");
  EXPECT_EQ(peer.read(4), "done");
  running.finish();
  EXPECT_TRUE(logged("hold_the_loop")) << running.log.text();
}

TEST_P(WatchdogTest, ATaskOfTheHandlersHasItsConnection) {
  ServerOptions with = options();
  with.watchdog = 20ms;
  Running* server = nullptr;
  auto handler = [&](Io& io, Stream stream) -> Task<> {
    auto heavy = [&]() -> Task<> {
      hold_the_loop([&] { return server->log.text().find("  #0 ") != std::string::npos; });
      co_return;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      EXPECT_TRUE(group.spawn(heavy()));
      co_return;
    };
    co_await with_task_group(io, body);
    auto sent = co_await stream.send_all("done");
    EXPECT_TRUE(sent);
  };
  Running running(std::move(with), handler);
  server = &running;
  running.start();
  Peer peer = running.connect();
  EXPECT_EQ(peer.read(4), "done");
  running.finish();
  const std::string log = running.log.text();
  EXPECT_NE(log.find("by the handler of " + peer.local_address().text()), std::string::npos) << log;
}

// A loop that sleeps, and jobs that are short but many: twice the limit of either is no hold.
TEST(WatchdogTests, SaysNothingOfALoopThatWaitsOrIsBusy) {
  Io io(*make_driver("epoll"));
  Log log;
  std::uint64_t holds = 1;
  auto main = [&](Watchdog& watchdog) -> Task<> {
    auto slept = co_await io.sleep(600ms);
    EXPECT_TRUE(slept);
    const auto end = monotonic_now() + 600ms;
    while (monotonic_now() < end) {
      auto yielded = co_await io.yield();
      EXPECT_TRUE(yielded);
    }
    holds = watchdog.holds();
  };
  {
    Watchdog watchdog(io, 300ms, [&](std::string_view line) { log.write(line); });
    io.run(main(watchdog));
  }
  EXPECT_EQ(holds, 0u) << log.text();
  EXPECT_EQ(log.text(), "");
}

TEST(WatchdogOptions, AreRefusedWhereThereIsNoLoop) {
  ServerOptions options;
  options.model = "blocking";
  options.watchdog = 50ms;
  EXPECT_THROW(Server(options, echo), std::invalid_argument);
}

TEST(WatchdogTests, WhatWasPostedCanHoldALoopToo) {
  Io io(*make_driver("epoll"));
  Log log;
  auto main = [&]() -> Task<> {
    bool over = false;
    io.post([&] {
      hold_the_loop([&] { return log.text().find("  #0 ") != std::string::npos; });
      over = true;
    });
    while (!over) {
      auto yielded = co_await io.yield();
      EXPECT_TRUE(yielded);
    }
  };
  {
    Watchdog watchdog(io, 20ms, [&](std::string_view line) { log.write(line); });
    io.run(main());
  }
  EXPECT_NE(log.text().find("by what was posted to it"), std::string::npos) << log.text();
}

// --- what it is made of ---

std::atomic<int> signals_seen = 0;

TEST(StackSampler, PutsTheSignalBackAndPassesOnWhatIsNotItsOwn) {
  struct sigaction mine{}, before{}, now{};
  mine.sa_handler = [](int) { ++signals_seen; };
  ::sigaction(SIGSTKFLT, &mine, &before);
  {
    os::StackSampler outer;
    os::StackSampler inner;
    ::raise(SIGSTKFLT);
    EXPECT_EQ(signals_seen, 1);
  }
  ::sigaction(SIGSTKFLT, &before, &now);
  EXPECT_EQ(now.sa_handler, mine.sa_handler);
}

TEST(StackSampler, GivesUpOnAThreadThatDoesNotAnswer) {
  std::binary_semaphore ready(0), end(0);
  std::jthread deaf([&] {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    ready.release();
    end.acquire();
  });
  ready.acquire();
  os::StackSampler sampler;
  os::StackSample sample;
  auto look = [](void*) noexcept { return true; };
  EXPECT_FALSE(sampler.sample(deaf.native_handle(), look, nullptr, sample, 5ms));
  end.release();
}

TEST(Symbolizer, KnowsTheFunctionAndItsFile) {
  const os::Symbolizer symbolizer;
  const auto here = symbolizer.at(reinterpret_cast<const void*>(&count), false);
  EXPECT_NE(here.function.find("count"), std::string::npos);
  EXPECT_NE(here.file.find("watchdog_test.cpp"), std::string::npos);
  EXPECT_GT(here.line, 0);
  EXPECT_EQ(symbolizer.at(nullptr, false).file, "");
}

}  // namespace
}  // namespace polyio
