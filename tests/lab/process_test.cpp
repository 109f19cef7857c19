// What is read of a process, against children that use a known amount.
#include "lab/load/process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <polyio/linux/process.hpp>
#include <stdexcept>
#include <thread>

#include "lab/child.hpp"
#include "support/eventually.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

// Its own and its children's processor time, in ns.
std::int64_t own_cpu() { return usage_of(::getpid()).cpu_ns; }

void burn(std::int64_t ns) {
  for (const std::int64_t end = own_cpu() + ns; own_cpu() < end;) {
  }
}

TEST(Usage, CountsWhatWasComputed) {
  const Usage before = usage_of(::getpid());
  burn(100'000'000);
  const Usage used = usage_of(::getpid()) - before;
  EXPECT_GE(used.cpu_ns, 100'000'000);
  EXPECT_GE(used.user_ticks + used.system_ticks, 9);
}

TEST(Usage, CountsThreadsThatEndedAndSwitches) {
  const Usage before = usage_of(::getpid());
  std::thread([] { burn(50'000'000); }).join();
  for (int i = 0; i < 20; ++i) std::this_thread::sleep_for(1us);
  const Usage used = usage_of(::getpid()) - before;
  EXPECT_GE(used.cpu_ns, 50'000'000);
  EXPECT_GE(used.voluntary, 20);
}

TEST(Usage, CountsChildrenThatRunAndThatEnded) {
  // The inner shell computes, and lives on; another one has ended.
  Child child({.arguments = {"-c",
                             "i=0; sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
                             "echo inner; sleep 1000' & "
                             "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; "
                             "echo ended; wait"},
               .program = "/bin/sh"});
  (void)child.read_line(60s);
  (void)child.read_line(60s);
  std::int64_t alone = 0;
  clockid_t clock;
  timespec time{};
  ASSERT_EQ(::clock_getcpuclockid(child.pid(), &clock), 0);
  ASSERT_EQ(::clock_gettime(clock, &time), 0);
  alone = time.tv_sec * 1'000'000'000LL + time.tv_nsec;
  EXPECT_GT(usage_of(child.pid()).cpu_ns, alone);
}

TEST(Usage, OfAProcessThatIsGoneIsAnError) {
  EXPECT_EQ(usage_of(0).cpu_ns, 0);
  pid_t gone = 0;
  {
    Child child({.arguments = {"-c", "exit"}, .program = "/bin/sh"});
    gone = child.pid();
  }
  EXPECT_THROW((void)usage_of(gone), std::runtime_error);
}

TEST(Memory, GrowsByWhatWasWritten) {
  const Memory before = memory_of(::getpid());
  constexpr std::size_t size = 8 << 20;
  const std::vector<char> written(size, 'x');
  const Memory after = memory_of(::getpid());
  EXPECT_GE(after.private_dirty - before.private_dirty, static_cast<std::int64_t>(size));
  EXPECT_EQ(written.back(), 'x');
}

TEST(Descriptors, AreCounted) {
  const std::size_t before = descriptors_of(::getpid());
  const int copy = ::dup(0);
  EXPECT_EQ(descriptors_of(::getpid()), before + 1);
  ::close(copy);
}

}  // namespace
}  // namespace polyio::lab
