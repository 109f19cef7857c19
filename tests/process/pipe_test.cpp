#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <map>
#include <random>
#include <string_view>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class PipeTest : public ProcessTest {};
POLYIO_BY_FORK_AND_SPAWN(PipeTest);

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::mt19937 random(static_cast<unsigned>(size));
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Sends back what comes until the other end is gone; how it ended.
int echo(Connection connection) {
  for (;;) {
    const auto message = connection.receive_bytes();
    if (!message) return message.error() == polyio::Errc::end_of_file ? 0 : 1;
    if (!connection.send_bytes(*message)) return 2;
  }
}

TEST_P(PipeTest, MessagesOfEverySizeArriveWholeInBothDirections) {
  auto pipe = make_pipe().value();
  Process process(
      options(),
      [](Connection connection, int mine) {
        if (mine >= 0) ::close(mine);  // the copy that a fork has of the parent's end
        return echo(std::move(connection));
      },
      std::move(pipe.second), GetParam() == Method::fork ? pipe.first.fileno() : -1);
  ASSERT_TRUE(process.start());
  for (const std::size_t size :
       {0ul, 1ul, 4088ul, 4096ul, 4097ul, 65'536ul, 1'000'000ul, 5'000'000ul}) {
    const auto message = pattern(size);
    ASSERT_TRUE(pipe.first.send_bytes(message, soon()));
    const auto back = pipe.first.receive_bytes(soon());
    ASSERT_TRUE(back) << size << ": " << back.error().message();
    EXPECT_TRUE(*back == message) << size;
  }
  pipe.first.close();
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 0);
}

TEST_P(PipeTest, AConnectionCanBeSentThroughAConnection) {
  auto outer = make_pipe().value(), inner = make_pipe().value();
  Process process(
      options(),
      [](Connection connection) {
        auto got = connection.receive<std::vector<Connection>>();
        return got && got->size() == 1 && got->front().send(std::string("from afar")) ? 0 : 1;
      },
      std::move(outer.second));
  ASSERT_TRUE(process.start());
  std::vector<Connection> sent;
  sent.push_back(std::move(inner.second));
  ASSERT_TRUE(outer.first.send(sent));
  sent.clear();
  EXPECT_EQ(inner.first.receive<std::string>(soon()).value_or("nothing"), "from afar");
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(process.exitcode(), 0);
}

void send_for_ever(Connection connection, std::size_t size) {
  const auto message = pattern(size);
  while (connection.send_bytes(message)) {
  }
}

// Killed while it sends, at whatever byte: whole messages and then the end, or an error.
TEST_P(PipeTest, APeerKilledInTheMiddleOfAMessageGivesNoHalfMessage) {
  std::mt19937 random(1);
  for (int i = 0; i < (GetParam() == Method::fork ? 50 : 20); ++i) {
    const std::size_t size = 1 + random() % 3'000'000;
    const auto expected = pattern(size);
    auto pipe = make_pipe().value();
    Process process(options(), send_for_ever, std::move(pipe.second), size);
    ASSERT_TRUE(process.start());
    ASSERT_TRUE(pipe.first.poll(soon()).value_or(false));
    if (random() % 2) {
      ASSERT_TRUE(pipe.first.receive_bytes(soon()));
    }
    ASSERT_TRUE(process.kill());
    for (;;) {
      const auto message = pipe.first.receive_bytes(soon());
      if (!message) {
        EXPECT_TRUE(message.error() == polyio::Errc::end_of_file ||
                    message.error() == std::errc::connection_reset)
            << message.error().message();
        break;
      }
      ASSERT_TRUE(*message == expected);
    }
    ASSERT_TRUE(process.join(soon()));
  }
}

TEST_P(PipeTest, SendingToTheDeadIsAnErrorAndNoSignal) {
  auto pipe = make_pipe().value();
  Process process(options(), wait_for_ever, std::move(pipe.second));
  ASSERT_TRUE(process.start());
  ASSERT_TRUE(pipe.first.receive<pid_t>(soon()));
  ASSERT_TRUE(process.kill());
  ASSERT_TRUE(process.join(soon()));
  EXPECT_EQ(pipe.first.send(1).error(), std::errc::broken_pipe);
  EXPECT_EQ(pipe.first.send(std::string(1 << 20, 'x')).error(), std::errc::broken_pipe);
}

TEST(Pipe, ADeadlineLosesNoPartOfAMessage) {
  auto pipe = make_pipe().value();
  EXPECT_FALSE(pipe.first.poll().value());
  EXPECT_FALSE(pipe.first.poll(Deadline::min()).value());
  EXPECT_EQ(pipe.first.receive_bytes(monotonic_now() + 2ms).error(), std::errc::timed_out);
  const std::uint32_t header[]{10, 0};
  ASSERT_EQ(::send(pipe.second.fileno(), header, 6, 0), 6);  // a part of the header
  EXPECT_EQ(pipe.first.receive_bytes(monotonic_now()).error(), std::errc::timed_out);
  EXPECT_TRUE(pipe.first.poll().value());
  ASSERT_EQ(::send(pipe.second.fileno(), reinterpret_cast<const char*>(header) + 6, 2, 0), 2);
  ASSERT_EQ(::send(pipe.second.fileno(), "01234", 5, 0), 5);
  EXPECT_EQ(pipe.first.receive_bytes(monotonic_now()).error(), std::errc::timed_out);
  ASSERT_EQ(::send(pipe.second.fileno(), "56789", 5, 0), 5);
  const auto message = pipe.first.receive_bytes(soon());
  ASSERT_TRUE(message);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(message->data()), 10), "0123456789");
}

TEST(Pipe, ASendThatTimesOutHalfwayIsTheLastAndThePeerSeesIt) {
  auto pipe = make_pipe().value();
  const auto message = pattern(10'000'000);
  EXPECT_EQ(pipe.first.send_bytes(message, monotonic_now() + 5ms).error(), std::errc::timed_out);
  EXPECT_EQ(pipe.first.send(1).error(), std::errc::broken_pipe);
  EXPECT_EQ(pipe.second.receive_bytes(soon()).error(), std::errc::connection_reset);
}

TEST(Pipe, WhatIsNoMessageIsAnError) {
  auto pipe = make_pipe().value();
  ASSERT_TRUE(pipe.first.send(std::string("text")));
  EXPECT_EQ(pipe.second.receive<std::vector<double>>().error(), polyio::Errc::protocol_error);
  ASSERT_TRUE(pipe.first.send(7));
  EXPECT_EQ(pipe.second.receive<int>(), 7);  // the next is not touched by it
  const std::uint32_t huge[]{0xffffffff, 0};
  ASSERT_EQ(::send(pipe.first.fileno(), huge, sizeof huge, 0), ssize_t{sizeof huge});
  EXPECT_EQ(pipe.second.receive_bytes(soon()).error(), polyio::Errc::protocol_error);
  EXPECT_FALSE(pipe.second.receive_bytes(soon()));
  pipe.first.close();
  EXPECT_EQ(pipe.first.send(1).error(), std::errc::bad_file_descriptor);
  EXPECT_EQ(pipe.first.receive<int>().error(), std::errc::bad_file_descriptor);
  EXPECT_EQ(pipe.first.poll().error(), std::errc::bad_file_descriptor);
}

TEST(Pipe, DescriptorsNotTakenAreClosed) {
  auto outer = make_pipe().value(), inner = make_pipe().value();
  ASSERT_TRUE(outer.first.send(inner.second));
  inner.second.close();
  EXPECT_FALSE(outer.second.receive<std::string>());
  EXPECT_EQ(inner.first.receive<int>(soon()).error(), polyio::Errc::end_of_file);
}

TEST(Pipe, WithoutADescriptorAMessageThatBringsOneIsAnError) {
  auto outer = make_pipe().value(), inner = make_pipe().value();
  ASSERT_TRUE(outer.first.send(inner.second));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{1, before.rlim_max};  // its one is taken
  ::setrlimit(RLIMIT_NOFILE, &few);
  const auto got = outer.second.receive<Connection>(soon());
  const auto none = make_pipe();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(got.error(), polyio::Errc::protocol_error);
  EXPECT_EQ(none.error(), std::errc::too_many_files_open);
  ASSERT_TRUE(outer.first.send(1));
}

}  // namespace
}  // namespace polyio::process
