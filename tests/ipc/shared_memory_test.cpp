#include <sched.h>
#include <signal.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <cstring>
#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/shared_memory.hpp>

#include "ipc/name_lock.hpp"
#include "ipc/segment_header.hpp"
#include "segments.hpp"

namespace polyio::ipc {
namespace {

class SharedMemoryTest : public NothingLeft {
 protected:
  // A name of this test's own.
  std::string name_ = "polyio-test-" + std::to_string(::getpid());
};

struct Tickets {
  Mutex mutex;
  int left = 20;
};

struct Other {
  std::array<char, sizeof(Tickets)> bytes{};
};

struct Versioned : Tickets {
  static constexpr std::uint32_t shared_version = 2;
};

// The header that lies before what `memory` gives.
SegmentHeader& header_of(const SharedMemory& memory) {
  return static_cast<SegmentHeader*>(memory.data())[-1];
}

TEST_F(SharedMemoryTest, IsZerosAtFirstAndOfTheSizeAskedFor) {
  const SharedMemory memory(5000);
  EXPECT_EQ(memory.size(), 5000u);
  const std::string_view bytes(static_cast<const char*>(memory.data()), memory.size());
  EXPECT_EQ(bytes.find_first_not_of('\0'), std::string_view::npos);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0u);
}

TEST_F(SharedMemoryTest, AForkedProcessSharesIt) {
  const Shared<Tickets> tickets;
  auto child = fork_to([&] {
    auto held = tickets->mutex.hold();
    tickets->left = 7;
    return 0;
  });
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_EQ(tickets->left, 7);
}

TEST_F(SharedMemoryTest, AProcessThatKnowsTheNameSharesItAndItIsMadeOnce) {
  auto child = fork_to([&] {
    const Shared<Tickets> tickets(name_);
    tickets->left = 3;
    return eventually([&] { return tickets->left == 4; }) ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] { return Shared<Tickets>(name_)->left == 3; }));
  Shared<Tickets>(name_)->left = 4;
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_EQ(Shared<Tickets>(name_)->left, 20);  // the last user has gone, and it with him
}

TEST_F(SharedMemoryTest, ManyOpenersOfANameGetTheSame) {
  struct Count {
    std::atomic<int> made = 0, came = 0;
  };
  constexpr int processes = 8;
  const Shared<Count> start;
  std::vector<os::ChildProcess> children;
  for (int i = 0; i < processes; ++i) {
    children.push_back(fork_to([&] {
      ++start->made;
      if (!eventually([&] { return start->made == processes; })) return 1;
      const Shared<Count> mine(name_);
      ++mine->came;
      return eventually([&] { return mine->came == processes; }) ? 0 : 2;
    }));
  }
  for (auto& child : children) EXPECT_EQ(child.wait().code, 0);
}

TEST_F(SharedMemoryTest, AKilledLastUserLeavesNothing) {
  const Shared<std::atomic<int>> up(std::in_place, 0);
  pid_t pid = 0;
  auto child = fork_to([&] {
    const Shared<Tickets> named(name_), anonymous;
    *up = 1;
    ::pause();
    return 0;
  });
  pid = child.pid();
  ASSERT_TRUE(eventually([&] { return *up == 1; }));
  EXPECT_EQ(segment_makers().count(pid), 2u);
  child.signal(SIGKILL);
  (void)child.wait();
  EXPECT_EQ(segment_makers().count(pid), 0u);
}

TEST_F(SharedMemoryTest, AMakerKilledMidwayIsReplaced) {
  struct Deadly {
    explicit Deadly(bool die) {
      if (die) ::kill(::getpid(), SIGKILL);
    }
    int made = 1;
  };
  auto child = fork_to([&] { return Shared<Deadly>(name_, true)->made; });
  EXPECT_EQ(child.wait().signal, SIGKILL);
  EXPECT_EQ(Shared<Deadly>(name_, false)->made, 1);
}

TEST_F(SharedMemoryTest, ASegmentLeftHalfMadeIsRemovedByTheNextMaker) {
  auto child = fork_to([] { return ::shmget(0x706f1234, 4096, IPC_CREAT | 0600) < 0; });
  const pid_t maker = child.pid();
  ASSERT_EQ(child.wait().code, 0);
  ASSERT_EQ(segment_makers().count(maker), 1u);
  const SharedMemory any(1);
  EXPECT_EQ(segment_makers().count(maker), 0u);
}

TEST_F(SharedMemoryTest, AConstructorThatThrowsLeavesNothing) {
  struct Thrower {
    Thrower() { throw std::runtime_error("no"); }
  };
  EXPECT_THROW(Shared<Thrower>{}, std::runtime_error);
  EXPECT_THROW(Shared<Thrower>{name_}, std::runtime_error);
}

TEST_F(SharedMemoryTest, AnotherTypeSizeOrVersionIsRefused) {
  const Shared<Tickets> tickets(name_);
  EXPECT_EQ(Shared<Other>::open(name_).error(), errno_code(EEXIST));
  EXPECT_EQ(Shared<Versioned>::open(name_).error(), errno_code(EEXIST));
  EXPECT_EQ(SharedMemory::open(name_, 10).error(), errno_code(EEXIST));
  EXPECT_EQ(Shared<Versioned>::layout().version, 2u);
  Layout newer = Shared<Tickets>::layout();
  ++newer.version;
  EXPECT_EQ(SharedMemory::open(name_, sizeof(Tickets), newer).error(), errno_code(EEXIST));
  try {
    const Shared<Other> other(name_);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find(name_), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("another type"), std::string::npos);
  }
}

TEST_F(SharedMemoryTest, NamesThatCannotBeAreRefused) {
  for (const std::string& name : {std::string(), std::string(64, 'a'), std::string("a/b"),
                                  std::string("a b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(SharedMemory::open(name, 1).error(), errno_code(EINVAL)) << name;
  }
  EXPECT_TRUE(SharedMemory::open(std::string(63, 'a'), 1));
  EXPECT_EQ(SharedMemory::create(0).error(), errno_code(EINVAL));
  EXPECT_FALSE(SharedMemory::create(SIZE_MAX));
}

TEST_F(SharedMemoryTest, EveryDamagedByteOfTheHeaderIsNoticed) {
  const Shared<Tickets> tickets(name_);
  SegmentHeader& header = header_of(tickets.memory());
  auto* const bytes = reinterpret_cast<unsigned char*>(&header);
  const std::size_t end = offsetof(SegmentHeader, ready);
  for (std::size_t at = 0; at < end; ++at) {
    bytes[at] ^= 0x40;
    auto opened = Shared<Tickets>::open(name_);
    ASSERT_FALSE(opened) << "byte " << at;
    ASSERT_EQ(opened.error(), errno_code(EBADMSG)) << "byte " << at;
    ASSERT_FALSE(SharedMemory::attach(tickets.memory().id(), Shared<Tickets>::layout())) << at;
    bytes[at] ^= 0x40;
  }
  EXPECT_TRUE(Shared<Tickets>::open(name_));
}

TEST_F(SharedMemoryTest, AHeaderThatLiesWithARightChecksumIsNotBelieved) {
  const Shared<Tickets> tickets(name_);
  SegmentHeader& header = header_of(tickets.memory());
  const SegmentHeader good = header;
  const auto refused = [&](auto change) {
    change(header);
    header.checksum = header.sum();
    auto opened = Shared<Tickets>::open(name_);
    SegmentId id = tickets.memory().id();
    id.size = header.size;
    auto attached = SharedMemory::attach(id, Shared<Tickets>::layout());
    header = good;
    return !opened && !attached;
  };
  EXPECT_TRUE(refused([](auto& h) { h.size = 1 << 20; }));
  EXPECT_TRUE(refused([](auto& h) { h.size = SIZE_MAX; }));
  EXPECT_TRUE(refused([](auto& h) { h.size = SIZE_MAX - sizeof h + 1; }));
  EXPECT_TRUE(refused([](auto& h) { h.size = 0; }));
  EXPECT_TRUE(refused([](auto& h) { h.header_size = 8; }));
  EXPECT_TRUE(refused([](auto& h) { ++h.version; }));
  EXPECT_TRUE(refused([](auto& h) { ++h.layout.type; }));
  EXPECT_TRUE(refused([](auto& h) { ++h.layout.version; }));
  EXPECT_TRUE(refused([](auto& h) { h.layout.alignment *= 2; }));
  EXPECT_FALSE(refused([](auto&) {}));
}

TEST_F(SharedMemoryTest, IsSentByNumberAndTokenWhileItIsAttached) {
  std::vector<std::byte> bytes;
  {
    const Shared<Tickets> tickets;
    tickets->left = 5;
    bytes = serial::to_bytes(tickets);
    auto received = serial::from_bytes<Shared<Tickets>>(bytes);
    ASSERT_TRUE(received);
    EXPECT_EQ(std::get<0>(*received)->left, 5);
    EXPECT_FALSE(serial::from_bytes<Shared<Other>>(bytes));
    EXPECT_FALSE(serial::from_bytes<SharedMemory>(bytes));
    SegmentId id = tickets.memory().id();
    id.token[1] ^= 1;
    EXPECT_EQ(SharedMemory::attach(id, Shared<Tickets>::layout()).error(), errno_code(ENOENT));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      auto damaged = bytes;
      damaged[at] ^= std::byte{1};
      EXPECT_FALSE(serial::from_bytes<Shared<Tickets>>(damaged)) << at;
    }
  }
  EXPECT_FALSE(serial::from_bytes<Shared<Tickets>>(bytes));
}

TEST_F(SharedMemoryTest, ForeignSegmentsOfTheSameUserAreLeftAlone) {
  const int number = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  void* const memory = ::shmat(number, nullptr, 0);
  std::memset(memory, 'x', 4096);
  ::shmctl(number, IPC_RMID, nullptr);
  {
    const Shared<Tickets> tickets(name_);
    EXPECT_EQ(tickets->left, 20);
  }
  const std::string text(4096, 'x');
  EXPECT_EQ(std::memcmp(memory, text.data(), text.size()), 0);
  ::shmdt(memory);
}

TEST_F(SharedMemoryTest, ANameThatAnotherUserKeepsLockedIsAClearError) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can play another user";
  constexpr uid_t nobody = 65534;
  const int squatted = ::semget(key_of(name_, nobody), 1, IPC_CREAT | IPC_EXCL | 0600);
  ASSERT_GE(squatted, 0);
  auto child = fork_to([&] {
    if (::setuid(nobody) != 0) return 1;
    return SharedMemory::open(name_, 1).error() == errno_code(EACCES) ? 0 : 2;
  });
  EXPECT_EQ(child.wait().code, 0);
  ::semctl(squatted, 0, IPC_RMID);
}

// --- the lock of a name ---

bool is_locked(std::string_view name) { return ::semget(key_of(name, ::geteuid()), 1, 0) >= 0; }

TEST_F(SharedMemoryTest, OpeningLeavesNoLock) {
  const Shared<Tickets> tickets(name_);
  EXPECT_FALSE(is_locked(name_));
}

TEST_F(SharedMemoryTest, ANamesLockIsFreeAfterAKill) {
  auto child = fork_to([&] {
    const auto lock = NameLock::take(name_, never);
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_EQ(child.wait().signal, SIGKILL);
  EXPECT_TRUE(is_locked(name_));
  EXPECT_TRUE(NameLock::take(name_, never));
  EXPECT_FALSE(is_locked(name_));
}

TEST_F(SharedMemoryTest, ANamesLockWakesThoseThatWait) {
  struct Count {
    std::atomic<int> inside = 0, came = 0;
  };
  const Shared<Count> count;
  std::vector<os::ChildProcess> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(fork_to([&] {
      for (int round = 0; round < 200; ++round) {
        const auto lock = NameLock::take(name_, never);
        if (!lock || ++count->inside != 1) return 1;
        ++count->came;
        --count->inside;
      }
      return 0;
    }));
  }
  for (auto& child : children) EXPECT_EQ(child.wait().code, 0);
  EXPECT_EQ(count->came, 800);
}

// Containers may share the IPC namespace, where the segments are, and nothing else.
TEST_F(SharedMemoryTest, ANameIsLockedInOtherNetworkNamespacesToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a namespace";
  const auto lock = NameLock::take(name_, never);
  auto child = fork_to([&] {
    if (::unshare(CLONE_NEWNET) != 0) return 0;  // not allowed here
    return NameLock::take(name_, Deadline::min()).error() == errno_code(EBUSY) ? 0 : 1;
  });
  EXPECT_EQ(child.wait().code, 0);
}

}  // namespace
}  // namespace polyio::ipc
