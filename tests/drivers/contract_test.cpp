// The fixture of the contract suite, and the cases about opening: connect, accept, addresses.
#include "contract.hpp"

#include <dirent.h>
#include <unistd.h>

#include <csignal>
#include <polyio/os/socket.hpp>
#include <system_error>

#include "support/reserved_port.hpp"

namespace polyio::contract {
namespace {

char running_case[200];
std::size_t running_length;

// A case that hangs says which it is.
void on_alarm(int) {
  (void)!::write(2, "hangs: ", 7);
  (void)!::write(2, running_case, running_length);
  ::abort();
}

void bound_buffers(int fd, int size) {
  if (!size) return;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

// What the machine itself must have: a test can't go on without, so its error ends it.
template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::system_error(result.error());
  return std::move(*result);
}

}  // namespace

void skip_unless_available(std::string_view model) {
  for (const ModelInfo& info : list_models()) {
    if (info.model == model && !info.available) GTEST_SKIP() << info.reason;
  }
  (void)make_driver(model).value();  // whatever a first time opens for good
}

int open_fds() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory)) ++count;
  ::closedir(directory);
  return count;
}

Raw Raw::connect(const os::Address& address, int buffer) {
  os::UniqueFd fd = or_throw(os::stream_socket(address.family(), os::Blocking::yes));
  bound_buffers(fd.get(), buffer);
  if (::connect(fd.get(), address.data(), address.size()) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  (void)os::set_no_delay(fd.get());
  return Raw(std::move(fd));
}

void Raw::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::size_t Raw::send_what_fits(std::string_view text) {
  const ssize_t count = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::string Raw::read(std::size_t count) {
  std::string all;
  std::vector<char> room(64 * 1024);
  while (all.size() < count) {
    const ssize_t got = ::recv(fd(), room.data(), std::min(room.size(), count - all.size()), 0);
    if (got <= 0) break;
    all.append(room.data(), static_cast<std::size_t>(got));
  }
  return all;
}

void Raw::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  socket_.reset();
}

std::pair<Raw, Raw> raw_pair(int buffer) {
  os::UniqueFd listener =
      or_throw(os::listen_stream(*os::Address::parse("127.0.0.1:0"), 1, os::Blocking::yes));
  bound_buffers(listener.get(), buffer);
  Raw near = Raw::connect(or_throw(os::local_address(listener.get())), buffer);
  os::UniqueFd far = or_throw(os::accept(listener.get(), os::Blocking::yes));
  (void)os::set_no_delay(far.get());
  return {std::move(near), Raw(std::move(far))};
}

std::string pattern(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

std::string name_of_model(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

sched::Kind ContractTest::policy() {
  const char* const name = std::getenv("POLYIO_TEST_POLICY");
  return name ? sched::find_kind(name).value() : sched::Kind::fcfs;
}

std::unique_ptr<Io> ContractTest::make_io() const {
  auto io = std::make_unique<Io>(*make_driver(GetParam(), options()));
  io->set_policy(policy());
  return io;
}

void ContractTest::SetUp() {
  skip_unless_available(GetParam());
  if (IsSkipped()) return;
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const int length = std::snprintf(running_case, sizeof running_case, "%s.%s\n",
                                   info->test_suite_name(), info->name());
  running_length = static_cast<std::size_t>(length);
  std::signal(SIGALRM, on_alarm);
  ::alarm(100);
  fds_ = open_fds();
  io_ = make_io();
}

void ContractTest::TearDown() {
  ::alarm(0);
  if (!io_) return;
  io_.reset();
  EXPECT_EQ(open_fds(), fds_) << "descriptors leaked";
}

void ContractTest::run(const std::function<Task<>(TaskGroup&)>& body) {
  io().run(with_task_group(io(), body));
  EXPECT_EQ(io().jobs(), 0u);
  EXPECT_EQ(io().timers(), 0u);
}

Stream ContractTest::adopt(Raw raw) { return or_throw(io().adopt(raw.take())); }

Pair ContractTest::pair(int buffer) {
  auto [near, far] = raw_pair(buffer);
  return {adopt(std::move(near)), adopt(std::move(far))};
}

std::pair<Stream, Raw> ContractTest::half(int buffer) {
  auto [near, far] = raw_pair(buffer);
  return {adopt(std::move(near)), std::move(far)};
}

Listener ContractTest::listen(const char* host, int backlog) {
  return or_throw(io().listen(*os::Address::parse(host), backlog));
}

Task<> ContractTest::turns(int count) {
  for (; count > 0; --count) (void)co_await io().yield();
}

Task<> ContractTest::until(std::function<bool()> condition) {
  while (!condition()) (void)co_await io().yield();
}

Task<std::string> ContractTest::read(Stream& stream, std::size_t count) {
  std::string all;
  while (all.size() < count) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) break;
    all += chunk->text();
  }
  co_return all;
}

Task<std::string> ContractTest::read_to_end(Raw& raw) {
  std::string all;
  std::vector<char> room(64 * 1024);
  for (;;) {
    const ssize_t got = ::recv(raw.fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (got > 0) {
      all.append(room.data(), static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EAGAIN) {
      (void)co_await io().yield();
    } else {
      co_return all;
    }
  }
}

namespace {

class OpeningTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(OpeningTest);

TEST_P(OpeningTest, ConnectAcceptAndAddresses) {
  for (const char* host : {"127.0.0.1:0", "[::1]:0"}) {
    auto body = [&](TaskGroup&) -> Task<> {
      Listener listener = listen(host);
      auto address = listener.local_address();
      POLYIO_REQUIRE(address);
      EXPECT_GT(address->port(), 0);
      auto client = co_await io().connect(*address);
      POLYIO_REQUIRE(client);
      auto server = co_await listener.accept();
      POLYIO_REQUIRE(server);
      EXPECT_EQ(server->local_address()->text(), address->text());
      EXPECT_EQ(client->peer_address()->text(), address->text());
      EXPECT_EQ(server->peer_address()->text(), client->local_address()->text());
      auto sent = co_await client->send_all("hello");
      EXPECT_TRUE(sent);
      auto got = co_await read(*server, 5);
      EXPECT_EQ(got, "hello");
    };
    run(body);
  }
}

TEST_P(OpeningTest, AcceptWaitsForConnect) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Listener listener = listen();
    const os::Address address = *listener.local_address();
    bool accepting = false;
    int accepted = 0;
    auto server = [&]() -> Task<> {
      for (; accepted < 3; ++accepted) {
        accepting = true;
        auto stream = co_await listener.accept();
        EXPECT_TRUE(stream);
      }
    };
    (void)group.spawn(server);
    co_await until([&] { return accepting; });
    co_await turns(3);
    for (int i = 0; i < 3; ++i) {
      auto stream = co_await io().connect(address);
      EXPECT_TRUE(stream);
    }
    co_await until([&] { return group.running() == 0; });
    EXPECT_EQ(accepted, 3);
  };
  run(body);
}

TEST_P(OpeningTest, ConnectRefused) {
  auto body = [&](TaskGroup&) -> Task<> {
    const test::ReservedPort port;
    auto listener = io().listen(port.address, 1);
    POLYIO_REQUIRE(listener);
    listener->close();
    auto stream = co_await io().connect(port.address);
    EXPECT_TRUE(failed_with(stream, std::errc::connection_refused));
  };
  run(body);
}

TEST_P(OpeningTest, PortInUse) {
  Listener listener = listen();
  auto second = io().listen(*listener.local_address(), 1);
  EXPECT_TRUE(failed_with(second, std::errc::address_in_use));
}

// A client that is gone again before it was accepted harms nobody.
TEST_P(OpeningTest, ResetBeforeAccept) {
  auto body = [&](TaskGroup&) -> Task<> {
    Listener listener = listen();
    const os::Address address = *listener.local_address();
    for (int i = 0; i < 3; ++i) Raw::connect(address).reset();
    Raw alive = Raw::connect(address);
    alive.send("alive");
    for (int i = 0; i < 4; ++i) {
      auto stream = co_await listener.accept();
      if (!stream) {
        EXPECT_TRUE(failed_with(stream, std::errc::connection_aborted));
        continue;
      }
      auto got = co_await read(*stream, 5);
      EXPECT_TRUE(got.empty() || got == "alive");
      if (!got.empty()) co_return;
    }
    ADD_FAILURE() << "never accepted";
  };
  run(body);
}

TEST_P(OpeningTest, AReleasedSocketGoesOnElsewhere) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    auto sent = co_await stream.send_all("one ");
    EXPECT_TRUE(sent);
    raw.send("two");
    auto socket = stream.release();
    POLYIO_REQUIRE(socket);
    EXPECT_FALSE(stream);
    auto again = io().adopt(std::move(*socket));
    POLYIO_REQUIRE(again);
    auto got = co_await read(*again, 3);
    EXPECT_EQ(got, "two");
    auto sent_again = co_await again->send_all("three");
    EXPECT_TRUE(sent_again);
    EXPECT_EQ(raw.read(9), "one three");
  };
  run(body);
}

// After a receive a completion model may have begun the next one: then release says so, and has
// closed it.
TEST_P(OpeningTest, ReleasedAfterAReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("one");
    auto got = co_await read(stream, 3);
    EXPECT_EQ(got, "one");
    auto socket = stream.release();
    if (!socket) {
      EXPECT_TRUE(failed_with(socket, std::errc::device_or_resource_busy));
      EXPECT_EQ(model(), "io_uring");
      auto nothing = co_await read_to_end(raw);
      EXPECT_EQ(nothing, "");
      co_return;
    }
    auto again = io().adopt(std::move(*socket));
    POLYIO_REQUIRE(again);
    raw.send("two");
    auto more = co_await read(*again, 3);
    EXPECT_EQ(more, "two");
  };
  run(body);
}

TEST_P(OpeningTest, ClosingTheListenerRefusesWhoWaitsInIt) {
  Listener listener = listen();
  Raw waiting = Raw::connect(*listener.local_address());
  listener.close();
  EXPECT_EQ(waiting.read_to_end(), "");
}

}  // namespace
}  // namespace polyio::contract
