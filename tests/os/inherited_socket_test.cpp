// Inherited sockets by name: the environment is what a service manager would set.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <polyio/os/inherited_socket.hpp>
#include <polyio/os/socket.hpp>

namespace polyio::os {
namespace {

class InheritedSocket : public testing::Test {
 protected:
  InheritedSocket() { set("2", "web:admin", ::getpid()); }
  ~InheritedSocket() override {
    for (const char* name : {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"}) ::unsetenv(name);
  }
  static void set(const char* count, const char* names, pid_t pid) {
    ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_FDNAMES", names, 1);
    ::setenv("LISTEN_PID", fmt::format("{}", pid).c_str(), 1);
  }
  static std::string problem(std::string_view name) {
    const auto found = find_inherited_listener(name);
    return found ? fmt::format("found {}", *found) : found.error();
  }
};

// Descriptors 3 and 4 belong to the test program, whatever they are: so only the error shows which
// one was meant, unless it listens.
TEST_F(InheritedSocket, IsFoundByItsPlaceAmongTheNames) {
  auto listener = listen_stream(Address::parse("127.0.0.1:0").value(), 1, Blocking::yes);
  ASSERT_TRUE(listener);
  const int saved = ::dup(4);
  ASSERT_EQ(::dup2(listener->get(), 4), 4);
  EXPECT_EQ(problem("admin"), "found 4");
  if (saved >= 0) {
    ::dup2(saved, 4);
    ::close(saved);
  } else {
    ::close(4);
  }
}

TEST_F(InheritedSocket, IsNotFoundWhereTheEnvironmentIsWrong) {
  EXPECT_EQ(problem("other"), "none of the sockets has that name; there are 'web:admin'");
  EXPECT_EQ(problem(""), "none of the sockets has that name; there are 'web:admin'");
  set("1", "web:admin", ::getpid());
  EXPECT_EQ(problem("admin"), "none of the sockets has that name; there are 'web:admin'");
  set("2", "web:admin", ::getpid() + 1);
  EXPECT_EQ(problem("web"), "the sockets are another process's (LISTEN_PID)");
  set("many", "web", ::getpid());
  EXPECT_EQ(problem("web"), "the process was given no sockets (LISTEN_FDS)");
  set("-1", "web", ::getpid());
  EXPECT_EQ(problem("web"), "the process was given no sockets (LISTEN_FDS)");
}

TEST_F(InheritedSocket, AllOfThem) {
  const auto count = [] { return find_inherited_listeners().value().size(); };
  set("0", "", ::getpid());
  EXPECT_EQ(count(), 0u);
  set("1", "web", ::getpid() + 1);  // another process's
  EXPECT_EQ(count(), 0u);
  set("many", "web", ::getpid());
  EXPECT_EQ(find_inherited_listeners().error(), "LISTEN_FDS is no number of sockets");
  set("1000", "web", ::getpid());
  EXPECT_THAT(find_inherited_listeners().error(),
              testing::MatchesRegex("socket activation: descriptor [0-9]+ is no .*"));
  forget_inherited_listeners();
  EXPECT_EQ(count(), 0u);
  for (const char* name : {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"}) {
    EXPECT_EQ(std::getenv(name), nullptr);
  }
}

}  // namespace
}  // namespace polyio::os
