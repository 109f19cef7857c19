// CallbackSelector, over every selector: what callbacks may do to each other, and a whole server.
#include <cctype>
#include <polyio/os/address.hpp>
#include <polyio/os/socket.hpp>
#include <stdexcept>

#include "kinds.hpp"

namespace polyio {
namespace {

class CallbackTest : public testing::TestWithParam<Kind> {
 protected:
  CallbackSelector loop{GetParam().make()};
};
INSTANTIATE_TEST_SUITE_P(Every, CallbackTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(CallbackTest, CallsWithFdAndMask) {
  Pair pair;
  int called_fd = -1;
  Events called_mask = 0;
  ASSERT_TRUE(loop.register_fd(pair.fd(), event_write,
                               [&](int fd, Events mask) { called_fd = fd, called_mask = mask; }));
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(called_fd, pair.fd());
  EXPECT_EQ(called_mask, event_write);
  pair.send();
  ASSERT_TRUE(loop.modify(pair.fd(), event_read));
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(called_mask, event_read);
}

TEST_P(CallbackTest, ErrorsAreTheSelectors) {
  Pair pair;
  EXPECT_TRUE(fails_with(loop.modify(pair.fd(), event_read), ENOENT));
  EXPECT_TRUE(fails_with(loop.unregister(pair.fd()), ENOENT));
  int first = 0, second = 0;
  pair.send();
  ASSERT_TRUE(loop.register_fd(pair.fd(), event_read, [&](int, Events) { ++first; }));
  EXPECT_TRUE(
      fails_with(loop.register_fd(pair.fd(), event_read, [&](int, Events) { ++second; }), EEXIST));
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST_P(CallbackTest, MayUnregisterItself) {
  Pair pair;
  pair.send();
  auto canary = std::make_shared<int>(7);
  std::weak_ptr<int> alive = canary;
  int seen = 0;
  ASSERT_TRUE(loop.register_fd(pair.fd(), event_read, [&, canary](int fd, Events) {
    EXPECT_TRUE(loop.unregister(fd));
    seen = *canary;  // the captures outlive the registration
  }));
  canary.reset();
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(seen, 7);
  EXPECT_TRUE(alive.expired());
  EXPECT_EQ(loop.size(), 0u);
}

TEST_P(CallbackTest, MayUnregisterAnotherOfTheSameBatch) {
  Pair one, two;
  one.send();
  two.send();
  int called = 0;
  auto callback = [&](int fd, Events) {
    ++called;
    EXPECT_TRUE(loop.unregister(fd == one.fd() ? two.fd() : one.fd()));
  };
  ASSERT_TRUE(loop.register_fd(one.fd(), event_read, callback));
  ASSERT_TRUE(loop.register_fd(two.fd(), event_read, callback));
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(called, 1);
}

TEST_P(CallbackTest, AnEventIsNotGivenToANewOwnerOfTheNumber) {
  Pair one, two;
  one.send();
  two.send();
  int called = 0, stranger = 0;
  auto callback = [&](int fd, Events) {
    ++called;
    const int other = fd == one.fd() ? two.fd() : one.fd();
    EXPECT_TRUE(loop.unregister(other));
    EXPECT_TRUE(loop.register_fd(other, event_read, [&](int, Events) { ++stranger; }));
  };
  ASSERT_TRUE(loop.register_fd(one.fd(), event_read, callback));
  ASSERT_TRUE(loop.register_fd(two.fd(), event_read, callback));
  EXPECT_EQ(loop.select(no_wait).value(), 1u);
  EXPECT_EQ(called, 1);
  EXPECT_EQ(stranger, 0);
}

TEST_P(CallbackTest, ExceptionsPassThrough) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(loop.register_fd(pair.fd(), event_read,
                               [](int, Events) { throw std::runtime_error("mine"); }));
  EXPECT_THROW((void)loop.select(no_wait), std::runtime_error);
  EXPECT_EQ(loop.size(), 1u);
}

TEST_P(CallbackTest, MoreThanOneBatch) {
  std::vector<Pair> pairs(150);
  std::vector<bool> seen(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].send();
    ASSERT_TRUE(loop.register_fd(pairs[i].fd(), event_read, [&, i](int fd, Events) {
      pairs[i].receive();
      EXPECT_TRUE(loop.unregister(fd));
      seen[i] = true;
    }));
  }
  std::size_t called = 0;
  while (auto batch = loop.select(no_wait).value()) called += batch;
  EXPECT_EQ(called, pairs.size());
  EXPECT_EQ(std::ranges::count(seen, false), 0);
}

// Reads what is there and answers its capitals and "_SB"; drained, as edge-triggered wants.
void answer(CallbackSelector& loop, os::UniqueFd& connection) {
  std::array<std::byte, 64> bytes;
  for (;;) {
    auto size = os::receive(connection.get(), bytes);
    if (!size && size.error() == errno_code(EAGAIN)) return;
    if (!size || *size == 0) break;
    std::string reply;
    for (std::byte b : std::span(bytes).first(*size)) {
      reply += static_cast<char>(std::toupper(std::to_integer<int>(b)));
    }
    reply += "_SB";
    const iovec part{reply.data(), reply.size()};
    EXPECT_EQ(os::send(connection.get(), std::span(&part, 1)).value(), reply.size());
  }
  EXPECT_TRUE(loop.unregister(connection.get()));
  connection.reset();
}

TEST_P(CallbackTest, UpperServer) {
  auto listener =
      os::listen_stream(os::Address::parse("127.0.0.1:0").value(), 16, os::Blocking::no).value();
  std::vector<std::unique_ptr<os::UniqueFd>> connections;
  ASSERT_TRUE(loop.register_fd(listener.get(), event_read, [&](int fd, Events) {
    while (auto accepted = os::accept(fd, os::Blocking::no)) {
      auto& slot = connections.emplace_back(std::make_unique<os::UniqueFd>(std::move(*accepted)));
      ASSERT_TRUE(loop.register_fd(slot->get(), event_read,
                                   [&loop = loop, &fd = *slot](int, Events) { answer(loop, fd); }));
    }
  }));
  const auto address = os::local_address(listener.get()).value();
  auto client = os::stream_socket(AF_INET, os::Blocking::no).value();
  ASSERT_TRUE(os::start_connect(client.get(), address));
  std::string got;
  ASSERT_TRUE(loop.register_fd(client.get(), both, [&, sent = false](int fd, Events) mutable {
    if (!sent) {
      sent = ::write(fd, "hello", 5) == 5;
      EXPECT_TRUE(loop.modify(fd, event_read));
      return;
    }
    std::array<std::byte, 64> bytes;
    while (auto size = os::receive(fd, bytes)) {
      if (*size == 0) break;
      got.append(reinterpret_cast<const char*>(bytes.data()), *size);
    }
  }));
  while (got.size() < 8) ASSERT_TRUE(loop.select(10s).value_or(0)) << "stuck at: " << got;
  EXPECT_EQ(got, "HELLO_SB");
  ASSERT_TRUE(loop.unregister(client.get()));
  client.reset();
  while (loop.size() > 1) ASSERT_TRUE(loop.select(10s).value_or(0));
  EXPECT_FALSE(*connections.at(0));
}

}  // namespace
}  // namespace polyio
