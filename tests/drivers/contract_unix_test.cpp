// Contract: streams over Unix sockets are streams; a stale socket file is replaced, one in use is
// not.
#include <sys/stat.h>

#include <fstream>
#include <polyio/io/datagram.hpp>
#include <polyio/os/socket.hpp>

#include "contract.hpp"
#include "names.hpp"

namespace polyio::contract {
namespace {

class UnixTest : public ContractTest {
 protected:
  Names names_;
};
POLYIO_ON_EVERY_MODEL(UnixTest);

TEST_P(UnixTest, ConnectsSendsAndEnds) {
  for (const std::string& name : {names_.file("a"), names_.abstract("a")}) {
    auto body = [&](TaskGroup& group) -> Task<> {
      Listener listener = listen(name.c_str());
      EXPECT_EQ(listener.local_address()->text(), name);
      const std::string bytes = pattern(1 << 20);
      auto sends = [&]() -> Task<> {
        auto client = co_await io().connect(*os::Address::parse(name));
        POLYIO_REQUIRE(client);
        EXPECT_EQ(client->peer_address()->text(), name);
        auto sent = co_await client->send_all(bytes);
        EXPECT_TRUE(sent);
        (void)client->shutdown_send();
        auto answer = co_await read_to_end(*client);
        EXPECT_EQ(answer, "bye");
      };
      (void)group.spawn(sends);
      auto server = co_await listener.accept();
      POLYIO_REQUIRE(server);
      EXPECT_EQ(server->peer_address()->text(), "unix:");
      auto got = co_await read_to_end(*server);
      EXPECT_TRUE(got == bytes);
      auto sent = co_await server->send_all("bye");
      EXPECT_TRUE(sent);
    };
    run(body);
  }
}

TEST_P(UnixTest, NobodyThere) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto none = co_await io().connect(*os::Address::parse(names_.file("none")));
    EXPECT_TRUE(failed_with(none, std::errc::no_such_file_or_directory));
    auto refused = co_await io().connect(*os::Address::parse(names_.abstract("none")));
    EXPECT_TRUE(failed_with(refused, std::errc::connection_refused));
  };
  run(body);
}

TEST_P(UnixTest, AStaleFileIsReplacedAndOneInUseIsNot) {
  const os::Address address = *os::Address::parse(names_.file("a"));
  {
    Listener first = listen(names_.file("a").c_str());
    auto second = io().listen(address, 1);
    EXPECT_TRUE(failed_with(second, std::errc::address_in_use));
    auto datagrams = io().bind(address);
    EXPECT_FALSE(datagrams);
    Raw::connect(address).close();  // still the first's
  }
  EXPECT_TRUE(std::filesystem::exists(names_.path("a"))) << "close(2) leaves the file";
  Listener again = listen(names_.file("a").c_str());
  Raw::connect(address).close();
}

// --- the calls below, on no model ---

TEST(UnixName, AFullBacklogIsInUseToo) {
  const Names names;
  const os::Address address = *os::Address::parse(names.file("a"));
  auto listener = os::listen_stream(address, 0, os::Blocking::no);
  ASSERT_TRUE(listener);
  std::vector<os::UniqueFd> crowd;
  for (bool full = false; !full;) {
    crowd.push_back(*os::stream_socket(AF_UNIX, os::Blocking::no));
    full = !os::start_connect(crowd.back().get(), address);
    ASSERT_LT(crowd.size(), 100u);
  }
  auto second = os::listen_stream(address, 1, os::Blocking::no);
  EXPECT_TRUE(failed_with(second, std::errc::address_in_use));
}

TEST(UnixName, AnotherFileIsNeverRemoved) {
  const Names names;
  const os::Address address = *os::Address::parse(names.file("precious"));
  std::ofstream(names.path("precious")) << "data";
  EXPECT_TRUE(
      failed_with(os::listen_stream(address, 1, os::Blocking::no), std::errc::address_in_use));
  EXPECT_TRUE(failed_with(os::remove_stale_socket(address), std::errc::address_in_use));
  EXPECT_EQ(std::filesystem::file_size(names.path("precious")), 4u);
}

TEST(UnixName, IsRemovedByWhoClosedIt) {
  const Names names;
  const os::Address address = *os::Address::parse(names.file("a"));
  auto listener = os::listen_stream(address, 1, os::Blocking::no);
  ASSERT_TRUE(listener);
  EXPECT_FALSE(os::remove_stale_socket(address)) << "it is in use";
  listener->reset();
  EXPECT_TRUE(os::remove_stale_socket(address));
  EXPECT_FALSE(std::filesystem::exists(names.path("a")));
  EXPECT_TRUE(os::remove_stale_socket(address)) << "nothing to do";
}

TEST(UnixName, HasThePermissionsAskedFor) {
  const Names names;
  for (const unsigned mode : {0600u, 0660u, 0666u}) {
    const os::Address address = *os::Address::parse(names.file(std::to_string(mode)));
    const mode_t before = ::umask(0);
    auto listener = os::listen_stream(address, 1, os::Blocking::no, {.unix_mode = mode});
    ::umask(before);
    ASSERT_TRUE(listener);
    struct stat status{};
    ASSERT_EQ(::stat(address.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, mode);
  }
}

// Two starters at once on a stale file: exactly one has it then, and is reached by it.
TEST(UnixName, OneOfManyStartersGetsIt) {
  const Names names;
  const os::Address address = *os::Address::parse(names.file("a"));
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> won{0};
    std::vector<os::UniqueFd> listeners(8);
    {
      std::vector<std::jthread> starters;
      for (os::UniqueFd& mine : listeners) {
        starters.emplace_back([&] {
          auto listener = os::listen_stream(address, 64, os::Blocking::no);
          if (!listener) return;
          mine = std::move(*listener);
          ++won;
        });
      }
    }
    EXPECT_EQ(won, 1);
    auto client = os::stream_socket(AF_UNIX, os::Blocking::no);
    EXPECT_TRUE(os::start_connect(client->get(), address));
  }
}

TEST(UnixName, ReadsAndPrints) {
  EXPECT_EQ(os::Address::parse("unix:/run/a.sock")->text(), "unix:/run/a.sock");
  EXPECT_EQ(os::Address::parse("unix:@a")->path(), "@a");
  EXPECT_EQ(os::Address::parse("unix:@a")->text(), "unix:@a");
  EXPECT_EQ(os::Address::parse("unix:a\x1b[2J")->text(), "unix:a\\x1b[2J");
  EXPECT_EQ(os::Address::parse("unix:" + std::string(107, 'a'))->path(), std::string(107, 'a'));
  EXPECT_EQ(os::Address::parse("unix:/a")->port(), 0);
  for (const std::string& bad :
       {std::string("unix:"), std::string("unix:@"), std::string("unix:a\0b", 8)}) {
    EXPECT_TRUE(failed_with(os::Address::parse(bad), std::errc::invalid_argument));
  }
  EXPECT_TRUE(failed_with(os::Address::parse("unix:" + std::string(108, 'a')),
                          std::errc::filename_too_long));
}

}  // namespace
}  // namespace polyio::contract
