// Descriptors that are no sockets, as streams, on every model: pipes, FIFOs, terminals.
#include <fcntl.h>
#include <pty.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/cancel_scope.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class DescriptorTest : public ContractTest {
 protected:
  struct Ends {
    Stream out, in;  // what is sent into `in` is received from `out`
  };
  Ends make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category());
    os::UniqueFd out(ends[0]), in(ends[1]);
    return {io().adopt_descriptor(std::move(out)).value(),
            io().adopt_descriptor(std::move(in)).value()};
  }
};
POLYIO_ON_EVERY_MODEL(DescriptorTest);

TEST_P(DescriptorTest, APipeCarriesBytesAndItsEnd) {
  auto [out, in] = make_pipe();
  run([&](TaskGroup&) -> Task<> {
    for (const char* text : {"one", "two"}) {
      auto sent = co_await in.send_all(text);
      EXPECT_TRUE(sent);
      auto chunk = co_await out.receive();
      EXPECT_TRUE(chunk);
      if (chunk) EXPECT_EQ(chunk->text(), text);
    }
    auto last = co_await in.send_all("three");
    EXPECT_TRUE(last);
    in.close();
    std::array<std::byte, 2> room;
    std::string rest;
    for (;;) {
      auto count = co_await out.receive_into(room);
      EXPECT_TRUE(count);
      if (!count || *count == 0) break;
      rest.append(reinterpret_cast<const char*>(room.data()), *count);
    }
    EXPECT_EQ(rest, "three");
    auto end = co_await out.receive();
    EXPECT_TRUE(end && end->empty());
  });
}

// Far more than the pipe holds, in parts, so that both sides wait.
TEST_P(DescriptorTest, ALongTransferIsWhole) {
  auto [out, in] = make_pipe();
  constexpr std::size_t size = 700'000;
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  std::string got;
  run([&](TaskGroup& group) -> Task<> {
    auto writer = [&]() -> Task<> {
      const Part parts[] = {std::string_view(text).substr(0, 1), std::string_view(text).substr(1)};
      auto sent = co_await in.send_all(parts);
      EXPECT_TRUE(sent);
      in.close();
    };
    EXPECT_TRUE(group.spawn(writer));
    for (;;) {
      auto chunk = co_await out.receive();
      EXPECT_TRUE(chunk);
      if (!chunk || chunk->empty()) break;
      got += chunk->text();
    }
  });
  EXPECT_TRUE(got == text) << got.size();
}

TEST_P(DescriptorTest, AWriteWithoutAReaderIsAnError) {
  auto [out, in] = make_pipe();
  out.close();
  run([&](TaskGroup&) -> Task<> {
    auto sent = co_await in.send_all("into the void");
    EXPECT_FALSE(sent);
    if (!sent) EXPECT_EQ(sent.error(), std::errc::broken_pipe);
  });
}

TEST_P(DescriptorTest, AWaitHasItsScopeAndLosesNothing) {
  auto [out, in] = make_pipe();
  run([&](TaskGroup&) -> Task<> {
    {
      const CancelScope limit(io(), 1ms);
      auto none = co_await out.receive();
      EXPECT_FALSE(none);
      if (!none) EXPECT_EQ(none.error(), std::errc::timed_out);
    }
    auto sent = co_await in.send_all("kept");
    EXPECT_TRUE(sent);
    auto chunk = co_await out.receive();
    EXPECT_TRUE(chunk);
    if (chunk) EXPECT_EQ(chunk->text(), "kept");
    const std::string much(1 << 20, 'x');
    const CancelScope limit(io(), 1ms);
    auto full = co_await in.send_all(much);
    EXPECT_FALSE(full);
    if (!full) EXPECT_EQ(full.error(), std::errc::timed_out);
  });
}

TEST_P(DescriptorTest, ClosingOneThatWasWaitedForIsClean) {
  auto [out, in] = make_pipe();
  run([&](TaskGroup&) -> Task<> {
    {
      const CancelScope limit(io(), 1ms);
      auto none = co_await out.receive();
      EXPECT_FALSE(none);
    }
    out.close();
    for (;;) {  // until the model has let go of the other end
      auto sent = co_await in.send_all("x");
      if (!sent) {
        EXPECT_EQ(sent.error(), std::errc::broken_pipe);
        break;
      }
      auto yielded = co_await io().yield();
      EXPECT_TRUE(yielded);
    }
  });
}

TEST_P(DescriptorTest, LinesAreReadFromAFifo) {
  const std::string path = "/tmp/polyio-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  os::UniqueFd both(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ::unlink(path.c_str());
  ASSERT_TRUE(both);
  ASSERT_EQ(::write(both.get(), "first\nsecond\n", 13), 13);
  Stream stream = io().adopt_descriptor(std::move(both)).value();
  run([&](TaskGroup&) -> Task<> {
    BufferedReader reader(stream);
    for (const char* line : {"first", "second"}) {
      auto read = co_await reader.read_line(80);
      EXPECT_TRUE(read);
      if (read) EXPECT_EQ(*read, line);
    }
    auto sent = co_await stream.send_all("third\n");
    EXPECT_TRUE(sent);
    auto third = co_await reader.read_line(80);
    EXPECT_TRUE(third);
    if (third) EXPECT_EQ(*third, "third");
  });
}

TEST_P(DescriptorTest, ATerminalIsAStreamAndKeepsItsMode) {
  int master = -1, slave = -1;
  termios raw{};
  ::cfmakeraw(&raw);
  ASSERT_EQ(::openpty(&master, &slave, nullptr, &raw, nullptr), 0);
  const os::UniqueFd shell(::dup(slave));  // shares the terminal's file description
  Stream near = io().adopt_descriptor(os::UniqueFd(master)).value();
  {
    Stream far = io().adopt_descriptor(os::UniqueFd(slave)).value();
    run([&](TaskGroup&) -> Task<> {
      auto typed = co_await near.send_all("typed");
      EXPECT_TRUE(typed);
      auto line = co_await far.receive();
      EXPECT_TRUE(line);
      if (line) EXPECT_EQ(line->text(), "typed");
      auto shown = co_await far.send_all("shown");
      EXPECT_TRUE(shown);
      auto seen = co_await near.receive();
      EXPECT_TRUE(seen);
      if (seen) EXPECT_EQ(seen->text(), "shown");
    });
    EXPECT_EQ(::fcntl(shell.get(), F_GETFL) & O_NONBLOCK, 0) << "the shell's reads would fail";
  }
}

TEST_P(DescriptorTest, ATerminalThatIsClosedIsAtItsEnd) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  Stream near = io().adopt_descriptor(os::UniqueFd(master)).value();
  ::close(slave);
  run([&](TaskGroup&) -> Task<> {
    auto end = co_await near.receive();
    EXPECT_TRUE(end && end->empty());
  });
}

TEST_P(DescriptorTest, ASocketIsTakenAsOneAndAFileIsRefused) {
  auto [near, far] = raw_pair();
  Stream stream = io().adopt_descriptor(near.take()).value();
  EXPECT_TRUE(stream.peer_address());
  const auto file = io().adopt_descriptor(os::UniqueFd(::open("/etc/passwd", O_RDONLY)));
  EXPECT_FALSE(file);
  if (!file) EXPECT_EQ(file.error(), std::errc::operation_not_permitted);
  EXPECT_FALSE(io().adopt_descriptor(os::UniqueFd()));
}

}  // namespace
}  // namespace polyio::contract
