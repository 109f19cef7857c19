// What only posix-aio has: helper threads that can run out, a signal that can be lost or taken, and
// reads that outlive their receive.
#include <aio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "contract.hpp"
#include "drivers/aio_requests.hpp"
#include "drivers/posix_aio_driver.hpp"

namespace polyio::contract {
namespace {

class PosixAioTest : public ContractTest {};
INSTANTIATE_TEST_SUITE_P(Every, PosixAioTest, testing::Values("posix-aio"), name_of_model);

std::pair<Raw, Raw> unix_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {Raw(os::UniqueFd(pair[0])), Raw(os::UniqueFd(pair[1]))};
}

// Each holds a helper thread; the last is served like the first.
TEST_P(PosixAioTest, AsManyConnectionsAsItSaysWaitAtOnce) {
  const unsigned limit = aio::Connections::instance().limit();
  std::vector<std::pair<Stream, Raw>> all;
  for (unsigned i = 0; i < limit; ++i) {
    auto [mine, raw] = unix_pair();
    all.emplace_back(adopt(std::move(mine)), std::move(raw));
  }
  {
    auto [mine, raw] = unix_pair();
    auto refused = io().adopt(mine.take());
    EXPECT_TRUE(failed_with(refused, std::errc(EUSERS)));
    EXPECT_EQ(raw.read_to_end(), "") << "and closed";
  }
  unsigned waiting = 0, right = 0;
  auto echo = [&](Stream& stream) -> Task<> {
    ++waiting;
    auto chunk = co_await stream.receive();
    POLYIO_REQUIRE(chunk);
    auto sent = co_await stream.send_all(chunk->bytes());
    EXPECT_TRUE(sent);
    auto second = co_await stream.receive();
    right += second && second->empty();
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    for (auto& [stream, raw] : all) (void)group.spawn(echo, stream);
    co_await until([&] { return waiting == limit; });
    for (auto connection = all.rbegin(); connection != all.rend(); ++connection) {
      connection->second.send("x");
    }
    for (auto& [stream, raw] : all) {
      bool there = false;
      while (!there) {
        char byte = 0;
        there = ::recv(raw.fd(), &byte, 1, MSG_DONTWAIT) == 1;
        (void)co_await io().yield();
      }
      raw.shutdown_send();
    }
  };
  run(body);
  EXPECT_EQ(right, limit);
  all.pop_back();
  auto [mine, raw] = unix_pair();
  EXPECT_TRUE(io().adopt(mine.take())) << "one has gone";
}

TEST_P(PosixAioTest, ASendGoesPastAWaitingReceive) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    bool waiting = false, answered = false;
    auto receives = [&, &in = stream]() -> Task<> {
      waiting = true;
      auto got = co_await read(in, 4);
      answered = got == "pong";
    };
    (void)group.spawn(receives);
    co_await until([&] { return waiting; });
    const int before = open_fds();
    auto sent = co_await stream.send_all("ping");
    EXPECT_TRUE(sent);
    EXPECT_EQ(open_fds(), before) << "on the same descriptor";
    EXPECT_EQ(raw.read(4), "ping");
    raw.send("pong");
    co_await until([&] { return group.running() == 0; });
    EXPECT_TRUE(answered);
  };
  run(body);
}

TEST_P(PosixAioTest, SendsWhenNoDescriptorIsLeft) {
  const std::string bytes = pattern(1 << 20);
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half(32 * 1024);
    bool waiting = false;
    std::string got;
    auto receives = [&, &in = stream]() -> Task<> {
      waiting = true;
      auto end = co_await in.receive();
      EXPECT_TRUE(end && end->empty());
    };
    (void)group.spawn(receives);
    co_await until([&] { return waiting; });
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const os::UniqueFd next(::dup(0));
    const rlimit no_more{static_cast<rlim_t>(next.get()), before.rlim_max};
    std::jthread peer([&got, &bytes, &from = raw] { got = from.read(bytes.size()); });
    ::setrlimit(RLIMIT_NOFILE, &no_more);
    auto sent = co_await stream.send_all(bytes);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(sent);
    peer.join();
    EXPECT_TRUE(got == bytes);
    raw.close();
    co_await until([&] { return group.running() == 0; });
  };
  run(body);
}

// The read of a cancelled receive goes on: the socket can't be given away any more.
TEST_P(PosixAioTest, ReleasedWithAReadUnderWay) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    {
      CancelScope scope(io(), 1ms);
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(timed_out(chunk));
    }
    auto socket = stream.release();
    EXPECT_TRUE(failed_with(socket, std::errc::device_or_resource_busy));
    auto nothing = co_await read_to_end(raw);
    EXPECT_EQ(nothing, "") << "closed";
  };
  run(body);
}

TEST_P(PosixAioTest, ADeadPeerIsNoSigpipe) {
  struct sigaction action{}, before{};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &action, &before);
  auto body = [&](TaskGroup&) -> Task<> {
    for (int i = 0; i < 20; ++i) {
      auto [stream, raw] = half();
      raw.reset();
      for (int again = 0; again < 3; ++again) {
        auto sent = co_await stream.send_all("x");
        EXPECT_TRUE(broken_off(sent));
      }
    }
  };
  run(body);
  ::sigaction(SIGPIPE, &before, nullptr);
}

// The handler is gone with the last driver, and a signal that has another use is left to it.
TEST(PosixAioSignal, IsTakenOnlyWhenFree) {
  skip_unless_available("posix-aio");
  if (testing::Test::IsSkipped()) return;
  const int number = SIGRTMAX - 1;
  struct sigaction others{}, now{};
  {
    const Io io(*make_driver("posix-aio"));
  }
  ::sigaction(number, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  others.sa_handler = [](int) {};
  ::sigaction(number, &others, nullptr);
  EXPECT_THROW((void)make_driver("posix-aio"), std::system_error);
  EXPECT_NE(probe_posix_aio().find("SIGRTMAX-1"), std::string::npos);
  ::sigaction(number, nullptr, &now);
  EXPECT_EQ(now.sa_handler, others.sa_handler);
  others.sa_handler = SIG_DFL;
  ::sigaction(number, &others, nullptr);
  EXPECT_EQ(probe_posix_aio(), "");
}

// Completions come by the signal, and by it alone: what aio(7) calls SIGEV_SIGNAL.
TEST(PosixAioSignal, TellsOfTheCompletion) {
  skip_unless_available("posix-aio");
  if (testing::Test::IsSkipped()) return;
  const aio::SignalTaken taken;
  ASSERT_EQ(taken.problem(), "");
  auto [mine, raw] = unix_pair();
  aio::Connections& connections = aio::Connections::instance();
  const auto permit = connections.take();
  ASSERT_TRUE(permit);
  aio::Request& request = connections.request(*permit);
  os::Wakeup wakeup;
  aio::Mailbox mailbox(wakeup);
  const sigset_t ours = aio::completion_signals();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &ours, &before);
  char room[8] = {};
  ASSERT_EQ(request.read(mailbox, mine.fd(), room, sizeof room), 0);
  EXPECT_FALSE(request.over());
  raw.send("done");
  siginfo_t told{};
  const timespec limit{.tv_sec = 20, .tv_nsec = 0};
  int number = -1;
  do {  // io_uring's work in this thread (the probe's) interrupts it
    number = ::sigtimedwait(&ours, &told, &limit);
  } while (number < 0 && errno == EINTR);
  EXPECT_EQ(number, aio::completion_signal());
  EXPECT_EQ(told.si_code, SI_ASYNCIO);
  EXPECT_TRUE(request.over());
  EXPECT_EQ(mailbox.take(), nullptr) << "this test took the signal";
  request.collect();
  EXPECT_EQ(mailbox.take(), &request);
  EXPECT_EQ(request.result(), 4);
  EXPECT_STREQ(room, "done");
  connections.give_back(*permit);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// When no signal can be queued, glibc loses the notification and the result: that is an error of
// the connection, and not a wait without end.
TEST_P(PosixAioTest, ALostNotificationIsAnError) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    bool waiting = false, failed = false;
    auto receives = [&, &in = stream]() -> Task<> {
      waiting = true;
      auto chunk = co_await in.receive();
      failed = failed_with(chunk, std::errc::no_buffer_space);
    };
    (void)group.spawn(receives);
    co_await until([&] { return waiting; });
    co_await turns(3);
    rlimit before{};
    ::getrlimit(RLIMIT_SIGPENDING, &before);
    const rlimit no_signal{0, before.rlim_max};
    ::setrlimit(RLIMIT_SIGPENDING, &no_signal);
    raw.send("lost");
    while (group.running() > 0) (void)co_await io().sleep(1ms);
    ::setrlimit(RLIMIT_SIGPENDING, &before);
    EXPECT_TRUE(failed);
  };
  run(body);
}

// Something else in the process keeps every helper thread busy: what is ready is done by hand.
TEST_P(PosixAioTest, GoesOnWithoutAHelper) {
  struct Busy {
    aiocb block{};
    std::uint64_t room = 0;
    os::UniqueFd event{::eventfd(0, EFD_CLOEXEC)};
  };
  std::vector<Busy> others(aio::max_connections);
  for (Busy& other : others) {
    other.block.aio_fildes = other.event.get();
    other.block.aio_buf = &other.room;
    other.block.aio_nbytes = sizeof other.room;
    other.block.aio_sigevent.sigev_notify = SIGEV_NONE;
    ASSERT_EQ(::aio_read(&other.block), 0);
  }
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    std::string got;
    auto echo = [&, &mine = stream]() -> Task<> {
      {
        auto awaited = co_await read(mine, 5);
        got = std::move(awaited);
      }
      auto sent = co_await mine.send_all(got);
      EXPECT_TRUE(sent);
    };
    (void)group.spawn(echo);
    raw.send("hello");
    while (group.running() > 0) (void)co_await io().sleep(1ms);
    EXPECT_EQ(raw.read(5), "hello");
  };
  run(body);
  const std::uint64_t one = 1;
  for (Busy& other : others) {
    EXPECT_EQ(::write(other.event.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  for (Busy& other : others) {
    const aiocb* const list[] = {&other.block};
    while (::aio_error(&other.block) == EINPROGRESS) (void)::aio_suspend(list, 1, nullptr);
    EXPECT_EQ(::aio_return(&other.block), static_cast<ssize_t>(sizeof one));
    // Its helper may hold the block a little longer, and glibc's lock as long.
    (void)::aio_cancel(other.event.get(), nullptr);
  }
}

}  // namespace
}  // namespace polyio::contract
