// Watchdog: a job that holds its loop is reported, with its connection and where it is, and once
// more when it goes on; a loop that waits or works in short pieces is not.
#include <polyio/io/task_group.hpp>
#include <polyio/io/watchdog.hpp>
#include <polyio/linux/stack_sampler.hpp>
#include <polyio/linux/symbolizer.hpp>

#include <csignal>

#include "server/fixture.hpp"

namespace polyio {
namespace {

using namespace server_test;

// Runs until the log has `words`, at most 20 s. Not inlined: its name is what the report must have,
// so few frames may lie above it, also with a sanitizer's.
[[gnu::noinline]] void hold_the_loop(const Log& log, std::string_view words) {
  const auto end = monotonic_now() + limit;
  while (!log.has(words)) {
    if (monotonic_now() > end) {
      ADD_FAILURE() << "not logged within the limit: " << words;
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

class WatchdogTest : public ServerTest {
 protected:
  // Runs a server whose handler ends with `body(io, log)`, for one connection, to its end. Returns
  // the client's address.
  std::string serve_one(std::function<Task<>(Io&, const Log&)> body) {
    ServerOptions with = options();
    with.watchdog = 20ms;
    auto handler = [&](Io& io, Stream stream) -> Task<> {
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(chunk);
      co_await body(io, running_->log);
      auto sent = co_await stream.send_all("done");
      EXPECT_TRUE(sent);
    };
    running_.emplace(std::move(with), handler);
    running_->start();
    Peer peer = running_->connect();
    peer.send("x");
    EXPECT_EQ(peer.read(4), "done");
    EXPECT_TRUE(running_->log.wait_for(" goes on after "));
    running_->finish();
    return peer.local_address().text();
  }
  std::string log() const { return running_->log.text(); }

 private:
  std::optional<Running> running_;
};
INSTANTIATE_TEST_SUITE_P(All, WatchdogTest, testing::ValuesIn(loop_dials()), dials_name);

TEST_P(WatchdogTest, ReportsTheConnectionThatHoldsTheLoopWhereAndItsEnd) {
  // Held until the report has come, so the test can't be too fast or too slow for it.
  const std::string peer = serve_one([](Io&, const Log& log) -> Task<> {
    hold_the_loop(log, "hold_the_loop");
    co_return;
  });
  // Once; a machine that is slow enough may hold another loop, too.
  EXPECT_EQ(count(log(), "by the handler of " + peer + ", in "), 1u) << log();
  EXPECT_TRUE(log().contains("hold_the_loop")) << log();
  EXPECT_TRUE(log().contains("watchdog_test.cpp:")) << log();
  EXPECT_FALSE(log().contains("Io::run")) << "the loop itself is of no interest:\n" << log();
}

// The thread that is held does not answer at first, as on a machine that has no time for it.
TEST_P(WatchdogTest, LooksAgainWhereTheThreadDidNotAnswer) {
  serve_one([](Io&, const Log& log) -> Task<> {
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    hold_the_loop(log, "where is not known");
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    hold_the_loop(log, "hold_the_loop");
    co_return;
  });
  EXPECT_TRUE(log().contains("hold_the_loop")) << log();
}

[[gnu::noinline]] int dive(int depth, const Log& log) {
  if (depth == 0) {
    hold_the_loop(log, " frames left out");
    return 0;
  }
  const int deeper = dive(depth - 1, log);
  asm volatile("" ::: "memory");  // or the compiler would make a loop of it
  return deeper + 1;
}
[[gnu::noinline]] int call_deep_code(const Log& log) { return dive(30, log) + 1; }

// As in a parser that calls itself: what the handler called is of more use than its every turn.
TEST_P(WatchdogTest, ShowsBothEndsOfADeepStack) {
  int depth = 0;
  serve_one([&](Io&, const Log& log) -> Task<> {
    depth = call_deep_code(log);
    co_return;
  });
  EXPECT_EQ(depth, 31);
  EXPECT_TRUE(log().contains("  #0 ")) << log();
  EXPECT_TRUE(log().contains("call_deep_code")) << log();
}

TEST_P(WatchdogTest, ATaskOfTheHandlersHasItsConnection) {
  const std::string peer = serve_one([](Io& io, const Log& log) -> Task<> {
    auto heavy = [&]() -> Task<> {
      hold_the_loop(log, "  #0 ");
      co_return;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      EXPECT_TRUE(group.spawn(heavy));
      co_return;
    };
    co_await with_task_group(io, body);
  });
  EXPECT_TRUE(log().contains("by the handler of " + peer)) << log();
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
      hold_the_loop(log, "  #0 ");
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
  EXPECT_TRUE(log.text().contains("by what was posted to it")) << log.text();
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
