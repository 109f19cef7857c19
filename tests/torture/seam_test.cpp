// The seam itself: it knows every call of the library, and what it does to one is what it says.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>

#include "walk.hpp"

namespace polyio::torture {
namespace {

std::string output_of(const std::string& command) {
  const auto close = [](std::FILE* pipe) { ::pclose(pipe); };
  const std::unique_ptr<std::FILE, decltype(close)> pipe(::popen(command.c_str(), "r"), close);
  std::string text;
  for (int c = 0; pipe && (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
  return text;
}

bool covers(std::string_view pattern, std::string_view symbol) {
  if (!pattern.ends_with('*')) return pattern == symbol;
  return symbol.starts_with(pattern.substr(0, pattern.size() - 1));
}

// std::filesystem::path and its parts are memory only.
bool names_a_path(std::string_view symbol) {
  return symbol.starts_with("_ZNSt10filesystem7__cxx114path");
}

// C++ symbols that are more than memory and computing, and so need a line of their own.
bool needs_a_line(std::string_view symbol) {
  return symbol.starts_with("_Znw") || symbol.starts_with("_Zna") ||
         (symbol.starts_with("_ZNSt10filesystem") && !names_a_path(symbol)) ||
         symbol.find("_M_start_thread") != symbol.npos ||
         symbol.find("random_device") != symbol.npos ||
         symbol.find("basic_ofstream") != symbol.npos;
}

bool known(std::string_view symbol) {
  for (const std::string_view wrapped : wrapped_symbols()) {
    if (wrapped == symbol) return true;
  }
  if (needs_a_line(symbol)) return false;
  for (const Safe& safe : safe_symbols()) {
    if (covers(safe.name, symbol)) return true;
  }
  return false;
}

TEST(Seam, KnowsEveryCallOfTheLibrary) {
  const std::string listing = output_of("nm -u -P " POLYIO_LIBRARY);
  std::istringstream text(listing);
  std::size_t symbols = 0;
  for (std::string line; std::getline(text, line);) {
    const std::string symbol = line.substr(0, line.find(' '));
    if (!line.ends_with(" U") && line.find(" U ") == line.npos) continue;
    ++symbols;
    EXPECT_TRUE(known(symbol)) << symbol << ": give it a line in tests/torture/calls.def";
  }
  EXPECT_GT(symbols, 100u) << "nm could not read " POLYIO_LIBRARY;
}

TEST(Seam, NoLineIsThereTwice) {
  std::vector<std::string_view> all(wrapped_symbols().begin(), wrapped_symbols().end());
  for (const Safe& safe : safe_symbols()) all.push_back(safe.name);
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

TEST(Seam, AFaultIsOneWord) {
  for (std::size_t line = 0; line < lines().size(); ++line) {
    for (const int error : lines()[line].faults) {
      const Fault fault{line, 7, error};
      const Fault read = parse_fault(text_of(fault));
      EXPECT_EQ(read.line, line);
      EXPECT_EQ(read.number, 7u);
      EXPECT_EQ(name_of_error(read.error), name_of_error(error));
    }
  }
  EXPECT_EQ(parse_fault("recv:3:ENOSUCHTHING").number, 0u);
}

// The second call fails, the others do what they do.
TEST(Seam, OneCallFails) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ASSERT_EQ(::send(ends[0], "abcdef", 6, 0), 6);
  char room[8];
  arm(parse_fault("recv:2:ECONNRESET"));
  EXPECT_EQ(::recv(ends[1], room, 2, 0), 2);
  EXPECT_EQ(fired(), Fired::no);
  errno = 0;
  EXPECT_EQ(::recv(ends[1], room, 2, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(fired(), Fired::yes);
  EXPECT_EQ(::recv(ends[1], room, 2, 0), 2);
  arm(parse_fault("recv:1:short"));
  EXPECT_EQ(::recv(ends[1], room, 2, 0), 1);
  {
    const Exempt mine;
    EXPECT_EQ(::recv(ends[1], room, 2, 0), 1);
  }
  disarm();
  EXPECT_EQ(counts()[parse_fault("recv:1:short").line], 1u);
  ::close(ends[0]);
  ::close(ends[1]);
}

// A single io_uring operation fails in its completion, and a longer one is made short.
TEST(Seam, OneOperationFails) {
  if (!operations_can_fail()) GTEST_SKIP() << "no IORING_NOP_INJECT_RESULT (Linux 6.10)";
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto send_by_ring = [&](std::string_view fault) {
    io_uring ring{};
    io_uring_params parameters{};
    const int made = ::io_uring_queue_init_params(4, &ring, &parameters);
    EXPECT_EQ(made, 0);
    if (made != 0) return made;
    arm(parse_fault(fault));
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
    io_uring_prep_send(sqe, ends[0], "abc", 3, 0);
    sqe->user_data = 77;
    EXPECT_EQ(::io_uring_submit(&ring), 1);
    disarm();
    io_uring_cqe* cqe = nullptr;
    EXPECT_EQ(::io_uring_wait_cqe(&ring, &cqe), 0);
    EXPECT_EQ(cqe->user_data, 77u);
    const int result = cqe->res;
    ::io_uring_queue_exit(&ring);
    return result;
  };
  EXPECT_EQ(send_by_ring("io_uring.send:1:EPIPE"), -EPIPE);
  char room[8];
  EXPECT_EQ(::recv(ends[1], room, 8, MSG_DONTWAIT), -1) << "it had an effect";
  EXPECT_EQ(send_by_ring("io_uring.send:1:short"), 1);
  EXPECT_EQ(send_by_ring("io_uring.send:2:EPIPE"), 3);
  EXPECT_EQ(::recv(ends[1], room, 8, MSG_DONTWAIT), 4);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace polyio::torture
