// WorkLine: the order, the bound and the end of the line that both pools have.
#include <polyio/exec/work_line.hpp>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "support/results.hpp"

namespace polyio {
namespace {

using namespace test;

struct Work : detail::FutureState {
  Work& state() { return *this; }
  Work* next_in_line = nullptr;
  std::size_t thread = 0, number = 0;
};

class WorkLineTest : public testing::Test {
 protected:
  using Line = detail::WorkLine<Work>;
  Result<> take_place(bool may_wait = false) {
    std::unique_lock lock(mutex_);
    return line_.take_place(lock, may_wait);
  }
  std::mutex mutex_;
  Line line_{mutex_, 3};
  std::array<Work, 5> works_;
};

TEST_F(WorkLineTest, FirstComeFirstServed) {
  EXPECT_EQ(line_.post(works_[0]), 1u);
  EXPECT_EQ(line_.post(works_[1]), 2u);
  EXPECT_EQ(line_.pop(), &works_[0]);
  EXPECT_GE(line_.post(works_[2]), 2u);
  line_.push_front(works_[3]);
  EXPECT_EQ(line_.size(), 3u);
  EXPECT_EQ(line_.front(), &works_[3]);
  for (const std::size_t next : {3u, 1u, 2u}) EXPECT_EQ(line_.pop(), &works_[next]);
  EXPECT_EQ(line_.pop(), nullptr);
  EXPECT_EQ(line_.size(), 0u);
  EXPECT_EQ(line_.post(works_[4]), 1u);  // and what was taken is not counted any more
}

TEST_F(WorkLineTest, AFullLineIsExactlyFull) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(line_.post(works_[i]), 0u);
  EXPECT_EQ(line_.post(works_[3]), 0u);
  EXPECT_TRUE(failed_with(take_place(), std::errc::resource_unavailable_try_again));
  EXPECT_EQ(line_.pop(), &works_[0]);
  EXPECT_TRUE(take_place());
  EXPECT_TRUE(failed_with(take_place(), std::errc::resource_unavailable_try_again));
  line_.push_back(works_[3]);
  EXPECT_EQ(line_.size(), 3u);
}

TEST_F(WorkLineTest, ACancelledWorkGivesItsPlaceAway) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(line_.post(works_[i]), 0u);
  works_[1].share();  // the line's, which it gives up
  EXPECT_TRUE(works_[1].cancel());
  EXPECT_EQ(line_.pending(), 2u);
  EXPECT_TRUE(take_place());
  line_.push_back(works_[3]);
  for (const std::size_t next : {0u, 2u, 3u}) EXPECT_EQ(line_.pop(), &works_[next]);
}

TEST_F(WorkLineTest, NothingEntersAClosedLine) {
  EXPECT_GT(line_.post(works_[0]), 0u);
  line_.close();
  EXPECT_EQ(line_.post(works_[1]), 0u);
  EXPECT_TRUE(failed_with(take_place(true), std::errc::broken_pipe));
  line_.push_front(works_[2]);  // a work that is tried again
  EXPECT_EQ(line_.pop(), &works_[2]);
  EXPECT_EQ(line_.pop(), &works_[0]);
  EXPECT_EQ(line_.pop(), nullptr);
}

// More than there is room for at a time, by several threads, while another takes them out.
TEST_F(WorkLineTest, ThreadsPostSideBySide) {
  constexpr std::size_t threads = 3, each = 2'000;
  std::vector<Work> works(threads * each);
  std::vector<std::jthread> posters;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    posters.emplace_back([&, thread] {
      for (std::size_t i = 0; i < each; ++i) {
        Work& work = works[thread * each + i];
        work.thread = thread;
        work.number = i;
        if (line_.post(work) > 0) continue;
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(line_.take_place(lock, true));
        line_.push_back(work);
      }
    });
  }
  std::array<std::size_t, threads> next{};
  for (std::size_t count = 0; count < works.size();) {
    const std::lock_guard lock(mutex_);
    EXPECT_LE(line_.size(), 3u + threads);  // those that are about to be refused count too
    if (Work* const work = line_.pop()) {
      EXPECT_EQ(work->number, next[work->thread]++);
      ++count;
    }
  }
  EXPECT_EQ(line_.pop(), nullptr);
}

}  // namespace
}  // namespace polyio
