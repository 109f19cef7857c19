// Contract: datagrams, over UDP on IPv4 and IPv6 and over Unix sockets with and without a file.
#include <polyio/io/datagram.hpp>

#include "contract.hpp"
#include "names.hpp"

namespace polyio::contract {
namespace {

std::span<std::byte> room_of(std::string& text) { return std::as_writable_bytes(std::span(text)); }

class DatagramTest : public ContractTest {
 protected:
  // Runs `body(near, far)` with two sockets of each kind of address.
  void on_every_address(const std::function<Task<>(Datagram&, Datagram&)>& body) {
    Names names;
    const auto kinds = {std::pair<std::string, std::string>{"127.0.0.1:0", "127.0.0.1:0"},
                        {"[::1]:0", "[::1]:0"},
                        {names.file("near"), names.file("far")},
                        {names.abstract("near"), names.abstract("far")}};
    for (const auto& [near_name, far_name] : kinds) {
      SCOPED_TRACE(near_name);
      auto whole = [&](TaskGroup&) -> Task<> {
        auto near = io().bind(*os::Address::parse(near_name));
        auto far = io().bind(*os::Address::parse(far_name));
        POLYIO_REQUIRE(near && far);
        co_await body(*near, *far);
      };
      run(whole);
    }
  }
};
POLYIO_ON_EVERY_MODEL(DatagramTest);

TEST_P(DatagramTest, ComesWithItsSenderAndIsAnswered) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    const os::Address to = *far.local_address();
    std::string room(100, '\0');
    for (int round = 0; round < 3; ++round) {
      auto sent = co_await near.send_to("ping", to);
      EXPECT_TRUE(sent);
      auto got = co_await far.receive_from(room_of(room));
      POLYIO_REQUIRE(got);
      EXPECT_EQ(room.substr(0, got->size), "ping");
      EXPECT_EQ(got->from.text(), near.local_address()->text());
      auto answered = co_await far.send_to("pong!", got->from);
      EXPECT_TRUE(answered);
      auto answer = co_await near.receive_from(room_of(room));
      POLYIO_REQUIRE(answer);
      EXPECT_EQ(room.substr(0, answer->size), "pong!");
      EXPECT_EQ(answer->from.text(), to.text());
    }
  };
  on_every_address(body);
}

TEST_P(DatagramTest, KeepsItsBounds) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    const os::Address to = *far.local_address();
    std::string room(70'000, '\0');
    for (const std::size_t size : {0, 1, 2, 1'400, 9'000, 65'507}) {
      const std::string bytes = pattern(size, size);
      auto sent = co_await near.send_to(bytes, to);
      EXPECT_TRUE(sent);
      auto second = co_await near.send_to("next", to);
      EXPECT_TRUE(second);
      auto got = co_await far.receive_from(room_of(room));
      POLYIO_REQUIRE(got);
      EXPECT_EQ(got->size, size);
      EXPECT_FALSE(got->truncated());
      EXPECT_TRUE(room.substr(0, got->size) == bytes);
      auto next = co_await far.receive_from(room_of(room));
      POLYIO_REQUIRE(next);
      EXPECT_EQ(room.substr(0, next->size), "next");
    }
  };
  on_every_address(body);
}

TEST_P(DatagramTest, TellsThatItWasCutOff) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    const os::Address to = *far.local_address();
    auto sent = co_await near.send_to("0123456789", to);
    EXPECT_TRUE(sent);
    auto second = co_await near.send_to("whole", to);
    EXPECT_TRUE(second);
    std::string room(5, '\0');
    auto got = co_await far.receive_from(room_of(room));
    POLYIO_REQUIRE(got);
    EXPECT_EQ(room, "01234");
    EXPECT_EQ(got->size, 5u);
    EXPECT_EQ(got->length, 10u);
    EXPECT_TRUE(got->truncated());
    auto next = co_await far.receive_from(room_of(room));
    POLYIO_REQUIRE(next);
    EXPECT_EQ(room, "whole");
    EXPECT_FALSE(next->truncated());
  };
  on_every_address(body);
}

TEST_P(DatagramTest, IsWaitedFor) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    const os::Address to = *far.local_address();
    bool waiting = false;
    std::string heard;
    auto listens = [&]() -> Task<> {
      std::string room(100, '\0');
      while (heard.size() < 6) {
        waiting = true;
        auto got = co_await far.receive_from(room_of(room));
        POLYIO_REQUIRE(got);
        heard += room.substr(0, got->size);
      }
    };
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(listens);
      co_await until([&] { return waiting; });
      for (const char* text : {"ab", "cd", "ef"}) {
        co_await turns(3);
        auto sent = co_await near.send_to(text, to);
        EXPECT_TRUE(sent);
      }
    };
    co_await with_task_group(io(), both);
    EXPECT_EQ(heard, "abcdef");
  };
  on_every_address(body);
}

// What comes after the deadline goes to the next receive, and nothing to the room of the first.
TEST_P(DatagramTest, AWaitThatEndedTakesNothing) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    std::string early(8, '.'), late(8, '.');
    {
      CancelScope scope(io(), 1ms);
      auto got = co_await far.receive_from(room_of(early));
      EXPECT_TRUE(timed_out(got));
    }
    const os::Address to = *far.local_address();
    auto sent = co_await near.send_to("late", to);
    EXPECT_TRUE(sent);
    auto got = co_await far.receive_from(room_of(late));
    POLYIO_REQUIRE(got);
    EXPECT_EQ(late, "late....");
    EXPECT_EQ(early, "........");
  };
  on_every_address(body);
}

// Cancelled again and again while datagrams come: each is received once, in order.
TEST_P(DatagramTest, CancellingLosesNone) {
  auto body = [&](Datagram& near, Datagram& far) -> Task<> {
    const os::Address to = *far.local_address();
    constexpr int count = 50;
    int received = 0;
    CancelScope* current = nullptr;
    auto listens = [&]() -> Task<> {
      std::string room(100, '\0');
      while (received < count) {
        CancelScope scope(io());
        current = &scope;
        auto got = co_await far.receive_from(room_of(room));
        current = nullptr;
        if (!got) {
          EXPECT_TRUE(cancelled(got));
          continue;
        }
        EXPECT_EQ(room.substr(0, got->size), std::to_string(received));
        ++received;
      }
    };
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(listens);
      for (int i = 0; i < count; ++i) {
        co_await turns(i % 3);
        const std::string text = std::to_string(i);
        auto sent = co_await near.send_to(text, to);
        EXPECT_TRUE(sent);
        if (current) current->cancel();
        co_await until([&] { return received == i + 1; });
      }
    };
    co_await with_task_group(io(), both);
    EXPECT_EQ(received, count);
  };
  on_every_address(body);
}

TEST_P(DatagramTest, ManySendersAreToldApart) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto server = io().bind(*os::Address::parse("127.0.0.1:0"));
    POLYIO_REQUIRE(server);
    const os::Address to = *server->local_address();
    std::vector<Datagram> clients;
    for (int i = 0; i < 30; ++i) {
      auto client = io().bind(*os::Address::parse("127.0.0.1:0"));
      POLYIO_REQUIRE(client);
      clients.push_back(std::move(*client));
    }
    std::string room(100, '\0');
    for (Datagram& client : clients) {
      auto sent = co_await client.send_to(client.local_address()->text(), to);
      EXPECT_TRUE(sent);
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      auto got = co_await server->receive_from(room_of(room));
      POLYIO_REQUIRE(got);
      EXPECT_EQ(room.substr(0, got->size), got->from.text());
    }
  };
  run(body);
}

TEST_P(DatagramTest, WhatCannotBeSentIsRefused) {
  Names names;
  auto body = [&](TaskGroup&) -> Task<> {
    auto udp = io().bind(*os::Address::parse("127.0.0.1:0"));
    auto local = io().bind(*os::Address::parse(names.file("a")));
    POLYIO_REQUIRE(udp && local);
    const std::string large(65'508, 'x');
    const os::Address to = *udp->local_address();
    auto sent = co_await udp->send_to(large, to);
    EXPECT_TRUE(failed_with(sent, std::errc::message_size));
    const os::Address nobody = *os::Address::parse(names.file("nobody"));
    auto none = co_await local->send_to("x", nobody);
    EXPECT_TRUE(failed_with(none, std::errc::no_such_file_or_directory));
    const os::Address abstract = *os::Address::parse(names.abstract("nobody"));
    auto refused = co_await local->send_to("x", abstract);
    EXPECT_TRUE(failed_with(refused, std::errc::connection_refused));
  };
  run(body);
}

TEST_P(DatagramTest, AFullUnixQueueIsToldAndHasRoomAgain) {
  Names names;
  auto body = [&](TaskGroup&) -> Task<> {
    auto near = io().bind(*os::Address::parse(names.file("near")));
    auto far = io().bind(*os::Address::parse(names.file("far")));
    POLYIO_REQUIRE(near && far);
    const os::Address to = *far->local_address();
    std::size_t queued = 0;
    Result<> sent;
    for (; sent && queued < 100'000; ++queued) {
      auto one = co_await near->send_to("x", to);
      sent = one;
    }
    EXPECT_TRUE(failed_with(sent, std::errc::resource_unavailable_try_again));
    std::string room(10, '\0');
    for (; queued > 1; --queued) {
      auto got = co_await far->receive_from(room_of(room));
      EXPECT_TRUE(got);
    }
    auto again = co_await near->send_to("again", to);
    EXPECT_TRUE(again);
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
