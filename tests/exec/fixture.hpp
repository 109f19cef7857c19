// What the tests of rooms exec and client share: an Io of each model this machine has. The rule:
// nobody sleeps to wait for somebody else, a case leaves no job, timer or descriptor, and one that
// hangs ends the program after two minutes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <polyio/base/random.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace polyio::exec_test {

using namespace std::chrono_literals;

// ASSERT_TRUE for coroutines.
#define POLYIO_REQUIRE(condition)       \
  if (!(condition)) {                   \
    ADD_FAILURE() << "not " #condition; \
    co_return;                          \
  }

inline std::size_t open_fds() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

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

inline auto models() {
  std::vector<std::string> names;
  for (const ModelInfo& info : list_models()) {
    if (info.available) names.push_back(info.model);
  }
  return testing::ValuesIn(names);
}
inline std::string model_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}
#define POLYIO_ON_EVERY_MODEL(fixture) \
  INSTANTIATE_TEST_SUITE_P(Every, fixture, models(), model_name)

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

template <class T>
bool failed_with(const Result<T>& result, std::errc code) {
  return !result && result.error() == code;
}
template <class T>
bool cancelled(const Result<T>& result) {
  return failed_with(result, std::errc::operation_canceled);
}
template <class T>
bool timed_out(const Result<T>& result) {
  return failed_with(result, std::errc::timed_out);
}

}  // namespace polyio::exec_test
