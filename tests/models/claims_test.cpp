// What docs/models.md says about the kernel's side of each I/O model, tried on this kernel with the
// bare system calls: the facts a model rests on, and what is told wrong about them.
#include <aio.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <polyio/os/unique_fd.hpp>
#include <string>
#include <thread>
#include <vector>

namespace polyio {
namespace {

struct Sockets {
  os::UniqueFd near, far;
  explicit Sockets(int flags = 0) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds) == 0) {
      near.reset(fds[0]), far.reset(fds[1]);
    }
    EXPECT_TRUE(near) << "socketpair";
  }
  void send(std::string_view text) {
    EXPECT_EQ(::write(far.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
};

std::size_t threads_of_this_process() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// --- non-blocking calls ---

TEST(NonblockingClaims, TheFirstPhaseIsAnErrorTheSecondACopyInPlace) {
  Sockets sockets(SOCK_NONBLOCK);
  char room[16];
  ASSERT_EQ(::recv(sockets.near.get(), room, sizeof room, 0), -1);
  EXPECT_EQ(errno, EAGAIN) << "nothing there: told at once";
  sockets.send("data");
  EXPECT_EQ(::recv(sockets.near.get(), room, sizeof room, 0), 4) << "the call itself copies";
  EXPECT_EQ(std::string_view(room, 4), "data");
}

// What does not fit stays the sender's: a server that drops it cuts messages.
TEST(NonblockingClaims, ASendTakesAPart) {
  Sockets sockets(SOCK_NONBLOCK);
  const std::string large(4 << 20, 'x');
  const ssize_t taken = ::send(sockets.near.get(), large.data(), large.size(), MSG_NOSIGNAL);
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, static_cast<ssize_t>(large.size()));
  EXPECT_EQ(::send(sockets.near.get(), large.data(), large.size(), MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// --- select(2) ---

TEST(SelectClaims, TheSetsAndTheTimeoutAreOverwritten) {
  Sockets ready, silent;
  ready.send("x");
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ready.near.get(), &readable);
  FD_SET(silent.near.get(), &readable);
  timeval timeout{1000, 0};
  const int limit = std::max(ready.near.get(), silent.near.get()) + 1;
  ASSERT_EQ(::select(limit, &readable, nullptr, nullptr, &timeout), 1);
  EXPECT_TRUE(FD_ISSET(ready.near.get(), &readable));
  EXPECT_FALSE(FD_ISSET(silent.near.get(), &readable)) << "must be set again before the next call";
  EXPECT_LT(timeout.tv_sec * 1'000'000 + timeout.tv_usec, 1000 * 1'000'000)
      << "Linux leaves what was left of it";
}

TEST(SelectClaims, ADescriptorPastNfdsIsNotLookedAt) {
  Sockets ready;
  ready.send("x");
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ready.near.get(), &readable);
  timeval at_once{};
  EXPECT_EQ(::select(ready.near.get(), &readable, nullptr, nullptr, &at_once), 0)
      << "nfds is the largest descriptor plus one";
}

TEST(SelectClaims, TheSetHasRoomFor1024) {
  EXPECT_EQ(FD_SETSIZE, 1024);
  EXPECT_EQ(sizeof(fd_set), 1024 / 8u);
}

// --- poll(2) ---

// An array, handed over whole with each call: not a linked list, and no limit but RLIMIT_NOFILE.
TEST(PollClaims, TakesAnArrayLargerThan1024) {
  Sockets one;
  one.send("x");
  std::vector<pollfd> many(5000, pollfd{one.near.get(), POLLIN, 0});
  EXPECT_EQ(::poll(many.data(), many.size(), 0), 5000);
  EXPECT_EQ(many[4999].revents, POLLIN);
  EXPECT_EQ(many[4999].events, POLLIN) << "asked and told apart: the array is used again as it is";
}

// --- epoll(7) ---

class EpollClaims : public testing::Test {
 protected:
  void add(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    ASSERT_EQ(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), 0);
  }
  int told() {
    epoll_event event;
    return ::epoll_wait(epoll_.get(), &event, 1, 0);
  }
  os::UniqueFd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
};

TEST_F(EpollClaims, SharesNoMemoryWithTheProcess) {
  Sockets sockets;
  add(sockets.near.get(), EPOLLIN);
  sockets.send("x");
  ASSERT_EQ(told(), 1);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find("eventpoll"), line.npos) << line;
  }
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, epoll_.get(), 0), MAP_FAILED);
  EXPECT_EQ(errno, ENODEV) << "there is nothing to map: events are copied";
}

TEST_F(EpollClaims, LevelTellsAgainEdgeTellsOnce) {
  Sockets level, edge;
  level.send("x");
  edge.send("x");
  add(edge.near.get(), EPOLLIN | EPOLLET);
  EXPECT_EQ(told(), 1);
  EXPECT_EQ(told(), 0) << "unread, and not told again";
  add(level.near.get(), EPOLLIN);
  EXPECT_EQ(told(), 1);
  EXPECT_EQ(told(), 1) << "unread, so told again";
}

TEST_F(EpollClaims, RegistersOnceForManyWaits) {
  Sockets sockets;
  add(sockets.near.get(), EPOLLIN);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(told(), 0);
    sockets.send("x");
    EXPECT_EQ(told(), 1);
    char byte;
    EXPECT_EQ(::recv(sockets.near.get(), &byte, 1, 0), 1);
  }
}

// Hundreds of thousands: as many as there are descriptors, and what this file grants per user.
TEST(EpollLimit, IsASystemLimitOfWatchesNot1024) {
  std::ifstream file("/proc/sys/fs/epoll/max_user_watches");
  long watches = 0;
  ASSERT_TRUE(file >> watches);
  EXPECT_GT(watches, 1024);
}

// --- SIGIO ---

TEST(SigioClaims, TellsTheArrivalNotTheState) {
  const int number = SIGRTMAX - 2;
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  {
    Sockets sockets;
    const f_owner_ex owner{F_OWNER_TID, ::gettid()};
    ASSERT_EQ(::fcntl(sockets.near.get(), F_SETOWN_EX, &owner), 0);
    ASSERT_EQ(::fcntl(sockets.near.get(), F_SETSIG, number), 0);
    ASSERT_EQ(::fcntl(sockets.near.get(), F_SETFL, O_ASYNC), 0);
    const timespec at_once{};
    siginfo_t info{};
    sockets.send("x");
    EXPECT_EQ(::sigtimedwait(&set, &info, &at_once), number);
    EXPECT_EQ(info.si_fd, sockets.near.get()) << "the signal says which descriptor";
    EXPECT_EQ(::sigtimedwait(&set, &info, &at_once), -1) << "unread, and yet no second signal:";
    EXPECT_EQ(errno, EAGAIN) << "edge-triggered, not level-triggered";
    sockets.send("y");
    EXPECT_EQ(::sigtimedwait(&set, &info, &at_once), number) << "a new arrival is a new signal";
  }
  const timespec at_once{};
  while (::sigtimedwait(&set, nullptr, &at_once) > 0) {  // of the close
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// --- asynchronous I/O ---

// glibc's POSIX AIO is threads of the process that make blocking calls, not the kernel's work.
TEST(PosixAioClaims, AThreadOfTheProcessWaits) {
  Sockets sockets;
  const std::size_t before = threads_of_this_process();
  char room[16] = "";
  aiocb request{};
  request.aio_fildes = sockets.near.get();
  request.aio_buf = room;
  request.aio_nbytes = sizeof room;
  request.aio_sigevent.sigev_notify = SIGEV_NONE;
  ASSERT_EQ(::aio_read(&request), 0) << "returns at once";
  EXPECT_EQ(::aio_error(&request), EINPROGRESS);
  EXPECT_GT(threads_of_this_process(), before);
  sockets.send("data");
  const aiocb* const list[] = {&request};
  while (::aio_error(&request) == EINPROGRESS) ::aio_suspend(list, 1, nullptr);
  EXPECT_EQ(::aio_return(&request), 4);
  EXPECT_EQ(std::string_view(room, 4), "data") << "copied by the time it is told";
}

// The other side of the same: it has read and write, but no accept, connect, recvfrom or sendto.
TEST(IoUringClaims, TheBytesAreThereWhenTheCompletionIs) {
  io_uring ring{};
  if (const int error = io_uring_queue_init(8, &ring, 0)) {
    GTEST_SKIP() << "io_uring: " << std::strerror(-error);
  }
  Sockets sockets;
  char room[16] = "";
  io_uring_sqe* const entry = io_uring_get_sqe(&ring);
  io_uring_prep_recv(entry, sockets.near.get(), room, sizeof room, 0);
  ASSERT_EQ(io_uring_submit(&ring), 1) << "returns at once";
  io_uring_cqe* done = nullptr;
  EXPECT_EQ(io_uring_peek_cqe(&ring, &done), -EAGAIN);
  const std::size_t before = threads_of_this_process();
  sockets.send("data");
  ASSERT_EQ(io_uring_wait_cqe(&ring, &done), 0);
  EXPECT_EQ(done->res, 4);
  EXPECT_EQ(std::string_view(room, 4), "data") << "no call of the process copied them";
  EXPECT_EQ(threads_of_this_process(), before) << "and no thread waited";
  io_uring_cqe_seen(&ring, done);
  io_uring_queue_exit(&ring);
}

}  // namespace
}  // namespace polyio
