// What the tests of rooms exec and client share: an Io of each model this machine has. The rule:
// nobody sleeps to wait for somebody else, a case leaves no job, timer or descriptor, and one that
// hangs ends the program after two minutes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <polyio/base/random.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <semaphore>
#include <string>
#include <thread>

#include "support/left_over.hpp"
#include "support/models.hpp"
#include "support/results.hpp"

namespace polyio::exec_test {

using namespace std::chrono_literals;

using test::cancelled;
using test::failed_with;
using test::open_fds;
using test::timed_out;

class IoTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ::alarm(120);                           // ends the program, which says so
    (void)make_driver(GetParam()).value();  // whatever a first time opens for good
    fds_ = open_fds();
    io_ = make_io();
  }
  void TearDown() override {
    io_.reset();
    EXPECT_EQ(open_fds(), fds_);
    ::alarm(0);
  }

  static std::unique_ptr<Io> make_io() { return std::make_unique<Io>(*make_driver(GetParam())); }
  Io& io() { return *io_; }
  // Runs `body(TaskGroup&) -> Task<>` on io() and checks that nothing is left.
  void run(const std::function<Task<>(TaskGroup&)>& body) {
    io().run(with_task_group(io(), body));
    EXPECT_EQ(io().jobs(), 0u);
    EXPECT_EQ(io().timers(), 0u);
  }
  // Lets the others run and their events come in, `turns` times.
  Task<> turns(int count) {
    for (int i = 0; i < count; ++i) {
      auto yielded = co_await io().yield();
      (void)yielded;
    }
  }
  Task<> until(std::function<bool()> condition) {
    while (!condition()) co_await turns(1);
  }

 private:
  std::size_t fds_ = 0;
  std::unique_ptr<Io> io_;
};

#define POLYIO_ON_EVERY_MODEL(fixture) \
  INSTANTIATE_TEST_SUITE_P(Every, fixture, test::models(), test::model_name)

// Holds threads of a pool until it is opened; every wait ends after 20 s.
class Gate {
 public:
  void pass() {
    ++begun;
    if (!door_.try_acquire_for(20s)) ADD_FAILURE() << "nobody opened the gate";
  }
  void open(int count = 1) { door_.release(count); }
  std::atomic<int> begun{0};

 private:
  std::counting_semaphore<> door_{0};
};

}  // namespace polyio::exec_test
