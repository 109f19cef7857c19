// What a service manager hears: the test's own socket is its.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <polyio/os/service_manager.hpp>
#include <polyio/os/socket.hpp>

namespace polyio::os {
namespace {

class ServiceManager : public testing::TestWithParam<const char*> {
 protected:
  // NOLINTBEGIN(concurrency-mt-unsafe): the test has one thread
  ~ServiceManager() override { ::unsetenv("NOTIFY_SOCKET"); }
  static void set(const std::string& name) { ::setenv("NOTIFY_SOCKET", name.c_str(), 1); }
  // NOLINTEND(concurrency-mt-unsafe)
  static std::error_code error() {
    const auto done = notify_service_manager("READY=1");
    return done ? std::error_code() : done.error();
  }
};

TEST_P(ServiceManager, HearsWhatIsSaid) {
  const std::string name = GetParam() + std::to_string(::getpid());
  auto socket = bind_datagram(Address::parse("unix:" + name).value(), Blocking::no);
  ASSERT_TRUE(socket);
  set(name);
  for (const std::string& said : {std::string("READY=1\nSTATUS=it listens"), reloading_state()}) {
    EXPECT_EQ(notify_service_manager(said), true);
    std::array<std::byte, 200> heard{};
    const auto size = receive(socket->get(), heard);
    ASSERT_TRUE(size);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(heard.data()), *size), said);
  }
  if (name[0] == '/') std::filesystem::remove(name);
}

INSTANTIATE_TEST_SUITE_P(Named, ServiceManager, testing::Values("/tmp/polyio-notify-", "@polyio-"));

TEST_F(ServiceManager, IsOftenNotThere) {
  EXPECT_EQ(notify_service_manager("READY=1"), false);
  set("");
  EXPECT_EQ(notify_service_manager("READY=1"), false);
}

TEST_F(ServiceManager, MayBeNamedWrongly) {
  set("somewhere");
  EXPECT_EQ(error(), std::errc::invalid_argument);
  set("/nowhere/at/all");
  EXPECT_EQ(error(), std::errc::no_such_file_or_directory);
  set("/" + std::string(200, 'x'));
  EXPECT_EQ(error(), std::errc::filename_too_long);
}

TEST_F(ServiceManager, ThatDoesNotReadHoldsUpNothing) {
  const std::string name = "@polyio-full-" + std::to_string(::getpid());
  auto socket = bind_datagram(Address::parse("unix:" + name).value(), Blocking::no);
  ASSERT_TRUE(socket);
  set(name);
  std::error_code failed;
  for (int i = 0; i < 100'000 && !failed; ++i) failed = error();
  EXPECT_EQ(failed, std::errc::resource_unavailable_try_again);
}

TEST(ReloadingState, HasTheTime) {
  const std::string state = reloading_state();
  EXPECT_TRUE(state.starts_with("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_GT(std::stoll(state.substr(state.rfind('=') + 1)), 0);
}

}  // namespace
}  // namespace polyio::os
