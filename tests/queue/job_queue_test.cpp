// JobQueue between threads and processes.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <polyio/linux/process.hpp>
#include <polyio/queue/job_queue.hpp>
#include <string>
#include <thread>

#include "ipc/segments.hpp"

namespace polyio::ipc {
namespace {

using namespace std::chrono_literals;
using Jobs = JobQueue<std::string>;

Deadline soon_enough_for_all() { return monotonic_now() + 20s; }

class JobQueueTest : public NothingLeft {};

TEST_F(JobQueueTest, AJobThatIsDoneIsGone) {
  Jobs jobs;
  EXPECT_TRUE(jobs.put("one"));
  EXPECT_EQ(jobs.size(), 1u);
  auto job = jobs.take();
  ASSERT_TRUE(job);
  EXPECT_EQ(**job, "one");
  EXPECT_EQ(job->times(), 1u);
  EXPECT_EQ(jobs.at_work(), 1u);
  EXPECT_EQ(jobs.size(), 0u);
  job->done();
  EXPECT_FALSE(*job);
  EXPECT_EQ(jobs.at_work(), 0u);
  EXPECT_EQ(jobs.try_take().error(), std::errc::resource_unavailable_try_again);
}

TEST_F(JobQueueTest, OneThatIsGivenBackComesFirstAndIsMarked) {
  Jobs jobs;
  for (const char* text : {"one", "two"}) EXPECT_TRUE(jobs.put(text));
  {
    auto job = jobs.take();
    ASSERT_TRUE(job);
  }  // not done
  auto again = jobs.take();
  ASSERT_TRUE(again);
  EXPECT_EQ(**again, "one");
  EXPECT_EQ(again->times(), 2u);
  auto next = jobs.take();
  ASSERT_TRUE(next);
  EXPECT_EQ(**next, "two");
  EXPECT_EQ(next->times(), 1u);
  again->done();
  next->done();
}

TEST_F(JobQueueTest, TheEndComesWhenNothingCanComeBack) {
  Jobs jobs;
  EXPECT_TRUE(jobs.put("one"));
  jobs.close();
  EXPECT_EQ(jobs.put("late").error(), std::errc::broken_pipe);
  auto job = jobs.take();
  ASSERT_TRUE(job);
  EXPECT_EQ(jobs.take(monotonic_now() + 1ms).error(), std::errc::timed_out);
  std::atomic<bool> taken = false;
  std::jthread other([&] {
    auto later = jobs.take(soon_enough_for_all());
    taken = later && **later == "one" && later->times() == 2;
    if (later) later->done();
  });
  job->give_back();
  other.join();
  EXPECT_TRUE(taken);
  EXPECT_EQ(jobs.take().error(), Errc::end_of_file);
}

TEST_F(JobQueueTest, AsManyAreAtWorkAsThereIsRoomFor) {
  Jobs jobs({.jobs = 2});
  for (const char* text : {"one", "two", "three"}) EXPECT_TRUE(jobs.put(text));
  auto one = jobs.take(), two = jobs.take();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(jobs.take(monotonic_now() + 1ms).error(), std::errc::timed_out);
  std::atomic<bool> taken = false;
  std::jthread other([&] {
    auto three = jobs.take(soon_enough_for_all());
    taken = three && **three == "three";
    if (three) three->done();
  });
  one->done();
  other.join();
  EXPECT_TRUE(taken);
  two->done();
}

// Killed while they have jobs, again and again.
TEST_F(JobQueueTest, AKilledProcessLeavesItsJobsToTheOthers) {
  constexpr int jobs_in_all = 40;
  Jobs jobs({.jobs = 8});
  for (int i = 0; i < jobs_in_all; ++i) EXPECT_TRUE(jobs.put(std::to_string(i)));
  jobs.close();
  for (int round = 0; round < 3; ++round) {
    auto channel = os::make_channel();
    ASSERT_TRUE(channel);
    auto victim = os::fork_child([&] {
      auto first = jobs.take(soon_enough_for_all()), second = jobs.take(soon_enough_for_all());
      (void)os::send_message(channel->theirs.get(), first && second ? 'b' : 'n');
      ::pause();
      return 0;
    });
    ASSERT_TRUE(victim);
    channel->theirs.reset();
    const auto begun = os::receive_message(channel->ours.get(), true);
    ASSERT_TRUE(begun && begun->byte == 'b');
    EXPECT_GE(jobs.at_work(), 2u);  // those of a victim before may not have come back yet
    victim->signal(SIGKILL);
    (void)victim->wait();
  }
  std::vector<int> seen(jobs_in_all);
  std::atomic<int> marked = 0;
  std::mutex mutex;
  {
    std::vector<std::jthread> consumers;
    for (int i = 0; i < 3; ++i) {
      consumers.emplace_back([&] {
        while (auto job = jobs.take(soon_enough_for_all())) {
          const std::lock_guard lock(mutex);
          ++seen.at(static_cast<std::size_t>(std::stoi(**job)));
          marked += job->times() > 1;
          job->done();
        }
      });
    }
  }
  EXPECT_EQ(seen, std::vector<int>(jobs_in_all, 1));
  EXPECT_GE(marked, 2);
  EXPECT_EQ(jobs.at_work(), 0u);
}

// The child of a fork has the parent's Job in its copy of the memory, and must not end it.
TEST_F(JobQueueTest, AForksChildLeavesItsParentsJobsAlone) {
  Jobs jobs;
  EXPECT_TRUE(jobs.put("mine"));
  auto job = jobs.take();
  ASSERT_TRUE(job);
  auto child = os::fork_child([&] {
    job->done();
    return 0;
  });
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait().code, 0);
  EXPECT_EQ(jobs.at_work(), 1u);
  job->done();
  EXPECT_EQ(jobs.at_work(), 0u);
}

TEST_F(JobQueueTest, ByNameInAnotherProcess) {
  const std::string name = "polyio-jobs-" + std::to_string(::getpid());
  Jobs jobs(name);
  auto child = os::fork_child([&] {
    Jobs there(name);
    return there.put("from the child") ? 0 : 1;
  });
  ASSERT_TRUE(child);
  EXPECT_EQ(child->wait().code, 0);
  auto job = jobs.take(soon_enough_for_all());
  ASSERT_TRUE(job);
  EXPECT_EQ(**job, "from the child");
  job->done();
}

TEST_F(JobQueueTest, OptionsThatMakeNoSenseAreRefused) {
  EXPECT_THROW(Jobs({.jobs = 0}), std::system_error);
  EXPECT_THROW(Jobs({.jobs = 4097}), std::system_error);
}

}  // namespace
}  // namespace polyio::ipc
