// LineLog, on every kind of descriptor that a log may be: nobody who writes to it waits or dies,
// and what it lacks it says.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <polyio/os/line_log.hpp>
#include <polyio/os/unique_fd.hpp>
#include <sstream>

namespace polyio::os {
namespace {

using Writer = LineLog::Writer;

std::string layout(std::string_view line) { return fmt::format("log: {}\n", line); }

struct Ends {
  UniqueFd reader, writer;
};
Ends make_pipe() {
  int fds[2];
  EXPECT_EQ(::pipe(fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}
Ends make_named_pipe() {
  std::string folder = testing::TempDir() + "polyio-log-XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/pipe";
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  UniqueFd writer(::open(path.c_str(), O_WRONLY));
  std::filesystem::remove_all(folder);
  return {std::move(reader), std::move(writer)};
}
Ends make_terminal() {
  int master = -1, slave = -1;
  EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  return {UniqueFd(master), UniqueFd(slave)};
}
Ends make_socket() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// What was said in the lines that came, whole lines only.
struct Seen {
  std::uint64_t lines = 0, noted = 0;
  std::string rest;

  void take(std::string_view bytes) {
    rest += bytes;
    std::size_t end;
    while ((end = rest.find('\n')) != std::string::npos) {
      std::string line = rest.substr(0, end);
      rest.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      unsigned long count = 0;
      if (std::sscanf(line.c_str(), "log: %lu line%*[s] are missing here", &count) == 1) {
        noted += count;
      } else if (line == "log: 1 line is missing here") {
        ++noted;
      } else {
        EXPECT_TRUE(line.starts_with("log: line ")) << line;
        ++lines;
      }
    }
  }
  // Reads what is there; waits for at most `timeout_ms` until something is.
  bool read(int fd, int timeout_ms) {
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, timeout_ms) <= 0) return false;
    char room[65536];
    const ssize_t count = ::read(fd, room, sizeof room);
    if (count <= 0) return false;
    take({room, static_cast<std::size_t>(count)});
    return true;
  }
};

struct Kind {
  const char* name;
  Ends (*make)();
};
class LineLogTest : public testing::TestWithParam<std::tuple<Kind, Writer>> {
 protected:
  Ends ends = std::get<0>(GetParam()).make();
  Writer writer = std::get<1>(GetParam());
};
INSTANTIATE_TEST_SUITE_P(
    Every, LineLogTest,
    testing::Combine(testing::Values(Kind{"pipe", make_pipe}, Kind{"named_pipe", make_named_pipe},
                                     Kind{"terminal", make_terminal}, Kind{"socket", make_socket}),
                     testing::Values(Writer::caller, Writer::thread)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param).name) +
             (std::get<1>(tested.param) == Writer::thread ? "_by_a_thread" : "");
    });

TEST_P(LineLogTest, LinesArrive) {
  Seen seen;
  {
    LineLog log(ends.writer.get(), layout, writer);
    for (int i = 0; i < 20; ++i) log.write(fmt::format("line {}", i));
  }
  while (seen.lines < 20) ASSERT_TRUE(seen.read(ends.reader.get(), 20'000));
  EXPECT_EQ(seen.rest, "");
}

// Every line that was written is there, or among those that are said to be missing.
TEST_P(LineLogTest, WithoutAReaderNobodyWaitsAndTheMissingAreCounted) {
  LineLog log(ends.writer.get(), layout, writer);
  constexpr std::uint64_t count = 40'000;
  std::uint64_t sent = 0;
  for (; sent < count; ++sent) log.write(fmt::format("line {}", std::string(100, 'x')));
  EXPECT_GT(log.missing(), 0U);
  Seen seen;
  while (seen.lines + seen.noted < sent) {
    if (seen.read(ends.reader.get(), writer == Writer::thread ? 20'000 : 0)) continue;
    ASSERT_EQ(writer, Writer::caller);
    log.write("line that lets those before it go on");
    ++sent;
  }
  EXPECT_EQ(seen.lines + seen.noted, sent);
  EXPECT_GT(seen.noted, 0U);
  EXPECT_GT(seen.lines, count / 10);
}

TEST(LineLog, EndsThoughNobodyReads) {
  for (const Writer writer : {Writer::caller, Writer::thread}) {
    const Ends ends = make_pipe();
    LineLog log(ends.writer.get(), layout, writer);
    for (int i = 0; i < 5'000; ++i) log.write(fmt::format("line {}", std::string(100, 'x')));
  }
}

TEST_P(LineLogTest, AReaderThatLeavesIsNoSignal) {
  if (std::string_view(std::get<0>(GetParam()).name) == "terminal") return;
  const auto before = std::signal(SIGPIPE, SIG_DFL);
  {
    LineLog log(ends.writer.get(), layout, writer);
    ends.reader.reset();
    for (int i = 0; i < 3; ++i) log.write("line");
    if (writer == Writer::caller) EXPECT_EQ(log.missing(), 3U);
  }
  std::signal(SIGPIPE, before);
}

class LineLogInAFile : public testing::TestWithParam<Writer> {
 protected:
  // Waits until the thread has met the error.
  static void wait_for_missing(const LineLog& log, std::uint64_t count) {
    while (log.missing() < count) ::usleep(1000);
  }
  std::string folder_ = [] {
    std::string folder = testing::TempDir() + "polyio-log-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    return folder;
  }();
  std::string path_ = folder_ + "/log";
  UniqueFd file_{::open(path_.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600)};
  ~LineLogInAFile() override { std::filesystem::remove_all(folder_); }
};
INSTANTIATE_TEST_SUITE_P(Every, LineLogInAFile, testing::Values(Writer::caller, Writer::thread));

// As `ulimit -f` or LimitFSIZE= has it, with the signal's default action: the end of the process.
TEST_P(LineLogInAFile, AtTheLargestSizeIsNoSignal) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto action = std::signal(SIGXFSZ, SIG_DFL);
  {
    LineLog log(file_.get(), layout, GetParam());
    const rlimit small{40, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 10; ++i) log.write(fmt::format("line number {}", i));
    wait_for_missing(log, 8);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    log.write("line at last");
  }
  std::signal(SIGXFSZ, action);
  std::ostringstream text;
  text << std::ifstream(path_).rdbuf();
  EXPECT_NE(text.str().find("lines are missing here\nlog: line at last\n"), std::string::npos)
      << text.str();
}

TEST(LineLog, AForkedChildDoesNotRepeatWhatItsParentKeeps) {
  Ends ends = make_pipe();
  LineLog log(ends.writer.get(), layout);
  constexpr int count = 2'000;
  for (int i = 0; i < count; ++i) log.write(fmt::format("line {}", std::string(100, 'x')));
  ASSERT_EQ(log.missing(), 0U);
  Seen seen;
  while (seen.read(ends.reader.get(), 0)) {
  }
  ASSERT_LT(seen.lines, 1'000U);
  const pid_t child = ::fork();
  if (child == 0) {
    log.write("line of the child");
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto from_parent = seen.lines;
  while (seen.read(ends.reader.get(), 0)) {
  }
  EXPECT_EQ(seen.lines, from_parent + 1);
  ends.reader.reset();  // so that the log does not wait at its end
}

}  // namespace
}  // namespace polyio::os
