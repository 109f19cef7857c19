#include "server/ending.hpp"

#include <gtest/gtest.h>

#include <polyio/drivers/registry.hpp>
#include <thread>
#include <vector>

namespace polyio::server_test {
namespace {

using namespace std::chrono_literals;
using enum Ending::Step;

// An Io with an Ending that writes down the steps it takes.
struct Part {
  explicit Part(Nanoseconds patience)
      : ending(io, patience, [this](Ending::Step step) { steps.push_back(step); }),
        io(make_driver("poll").value()) {}
  // Runs until `last` has been reached.
  void run_until(Ending::Step last) {
    io.run([](Part& self, Ending::Step until) -> Task<> {
      const Ending::Run run(self.ending);
      while (!self.ending.reached(until)) {
        auto slept = co_await self.io.sleep(1ms);
        (void)slept;
      }
    }(*this, last));
  }

  std::vector<Ending::Step> steps;
  Ending ending;
  Io io;
};

const std::vector<Ending::Step> all{retire, drain, cut};

TEST(Ending, WhatIsAskedBeforeTheRunIsDoneWhenItBegins) {
  Part part(Nanoseconds::max());
  part.ending.ask(retire);
  part.ending.ask(drain);
  part.ending.ask(retire);
  EXPECT_FALSE(part.ending.reached(retire));
  part.run_until(drain);
  EXPECT_EQ(part.steps, (std::vector{retire, drain}));
}

TEST(Ending, AStepIncludesThoseBeforeAndIsTakenOnce) {
  Part part(Nanoseconds::max());
  std::jthread other([&] {
    for (int i = 0; i < 3; ++i) part.ending.ask(cut);
  });
  part.run_until(cut);
  part.ending.ask(drain);
  part.run_until(cut);
  EXPECT_EQ(part.steps, all);
}

TEST(Ending, AStepThatLastsTooLongIsFollowedByTheNext) {
  Part part(1ms);
  part.ending.ask(retire);
  part.run_until(cut);
  EXPECT_EQ(part.steps, all);
}

TEST(Ending, ItsTimeGoesOnInTheNextRun) {
  Part part(50ms);
  part.ending.ask(retire);
  part.run_until(retire);
  EXPECT_EQ(part.steps, std::vector{retire});
  part.run_until(cut);
  EXPECT_EQ(part.steps, all);
}

TEST(Ending, NothingIsPostedToARunThatIsOver) {
  Part part(Nanoseconds::max());
  int ran = 0;
  part.ending.post([&] { ++ran; });
  part.ending.ask(retire);
  part.run_until(retire);
  part.ending.post([&] { ++ran; });
  EXPECT_FALSE(part.ending.unless_over([] { ADD_FAILURE() << "it is over"; }));
  part.run_until(retire);
  EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace polyio::server_test
