// Processes that can't be seen, though they live: there is no /proc (chroot), it hides other users'
// processes (hidepid), or a fork ran no handlers. What they hold stays theirs.
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/semaphore.hpp>
#include <polyio/ipc/shared_memory.hpp>

#include "segments.hpp"

namespace polyio::ipc {
namespace {

class UnseenTest : public NothingLeft {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can mount";
  }
};

constexpr int no_namespace = 99;

// In a mount namespace of the caller's own.
bool begin_namespace() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}
bool without_proc() {
  return begin_namespace() && ::mount("none", "/proc", "tmpfs", 0, nullptr) == 0;
}
bool as_a_user_who_sees_only_his_own() {
  return begin_namespace() && ::mount("proc", "/proc", "proc", 0, "hidepid=2") == 0 &&
         ::setgid(65534) == 0 && ::setuid(65534) == 0;
}

// What a process sees of the holder of the only place of `room`, which is this test.
int look_at(const os::ProcessId& holder, BoundedSemaphore& room) {
  if (!os::is_alive(holder)) return 1;
  return room.try_acquire() ? 2 : 0;
}

TEST_F(UnseenTest, WithoutProcALivingHolderKeepsItsPlace) {
  const Shared<BoundedSemaphore> room(std::in_place, 1u);
  ASSERT_TRUE(room->acquire());
  const os::ProcessId holder = os::this_process();
  auto child = fork_to([&] { return without_proc() ? look_at(holder, *room) : no_namespace; });
  const int code = child.wait().code;
  if (code == no_namespace) GTEST_SKIP() << "no mount namespace can be had";
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(room->release());
}

TEST_F(UnseenTest, AHolderOfAnotherUserKeepsItsPlace) {
  const Shared<BoundedSemaphore> room(std::in_place, 1u);
  ASSERT_TRUE(room->acquire());
  const os::ProcessId holder = os::this_process();
  auto child = fork_to(
      [&] { return as_a_user_who_sees_only_his_own() ? look_at(holder, *room) : no_namespace; });
  const int code = child.wait().code;
  if (code == no_namespace) GTEST_SKIP() << "no mount namespace can be had";
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(room->release());
}

TEST_F(UnseenTest, WithoutProcTheDeadAreDead) {
  auto child = fork_to([] {
    if (!without_proc()) return no_namespace;
    auto other = fork_to([] {
      ::pause();
      return 0;
    });
    const os::ProcessId id{1, other.pid()};
    if (!os::is_alive(id)) return 1;
    other.signal(SIGKILL);
    siginfo_t ended{};
    while (::waitid(P_PID, static_cast<id_t>(id.pid), &ended, WEXITED | WNOWAIT) != 0) {
    }
    if (os::is_alive(id)) return 2;  // a zombie
    (void)other.wait();
    return os::is_alive(id) ? 3 : 0;
  });
  const int code = child.wait().code;
  if (code == no_namespace) GTEST_SKIP() << "no mount namespace can be had";
  EXPECT_EQ(code, 0);
}

// A process that began without /proc does not know when it started; what it takes it can give back,
// and others who see it know that it lives.
TEST_F(UnseenTest, AHolderThatCouldNotSeeItselfKeepsItsPlace) {
  const Shared<BoundedSemaphore> room(std::in_place, 1u);
  const Shared<std::atomic<int>> step(std::in_place, 0);
  auto child = fork_to([&] {
    const bool unseen = without_proc();
    const bool took = unseen && room->acquire();
    *step = 1;
    if (!unseen) return no_namespace;
    if (!took) return 1;
    if (!eventually([&] { return *step == 2; })) return 2;
    ::umount("/proc");
    return room->release() ? 0 : 3;
  });
  ASSERT_TRUE(eventually([&] { return *step == 1; }));
  const bool kept = !room->try_acquire();
  *step = 2;
  const int code = child.wait().code;
  if (code == no_namespace) GTEST_SKIP() << "no mount namespace can be had";
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(kept);
}

// _Fork(3) and clone(2) run no handler of pthread_atfork(3).
TEST_F(NothingLeft, AChildOfRawForkIsNotItsParent) {
  const Shared<Mutex> mutex;
  const Shared<BoundedSemaphore> room(std::in_place, 1u);
  ASSERT_TRUE(mutex->lock());
  ASSERT_TRUE(room->acquire());
  const pid_t child = ::_Fork();
  if (child == 0) ::_exit((mutex->unlock() ? 1 : 0) + (room->release() ? 2 : 0));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(mutex->unlock());
  EXPECT_TRUE(room->release());
}

}  // namespace
}  // namespace polyio::ipc
