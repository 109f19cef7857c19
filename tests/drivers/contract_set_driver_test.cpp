// Contract: Io::set_driver, from every model to every other and back, under whatever waits there.
#include <fcntl.h>
#include <unistd.h>

#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/datagram.hpp>
#include <polyio/os/socket.hpp>

#include "set_driver.hpp"

namespace polyio::contract {
namespace {

POLYIO_ON_EVERY_MODEL(SetDriverTest);

TEST_P(SetDriverTest, WhatWaitsGoesOn) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    Listener listener = listen();
    auto datagram = io().bind(*os::Address::parse("127.0.0.1:0"));
    int ends[2];
    POLYIO_REQUIRE(datagram && ::pipe2(ends, O_CLOEXEC) == 0);
    os::UniqueFd write_end(ends[1]);
    auto pipe = io().adopt_descriptor(os::UniqueFd(ends[0]));
    POLYIO_REQUIRE(pipe);
    std::string got;
    int accepted = 0, slept = 0;
    auto receiver = [&]() -> Task<> {
      auto three = co_await read(stream, 3);
      got += three;
    };
    auto acceptor = [&]() -> Task<> {
      auto one = co_await listener.accept();
      accepted += one.has_value();
    };
    std::array<std::byte, 8> room;
    std::size_t datagram_size = 0;
    auto datagrams = [&]() -> Task<> {
      auto one = co_await datagram->receive_from(room);
      EXPECT_TRUE(one);
      if (one) datagram_size = one->size;
    };
    std::string from_pipe;
    auto piped = [&]() -> Task<> {
      auto four = co_await read(*pipe, 4);
      from_pipe = four;
    };
    const TimePoint before = io().now();
    auto sleeper = [&]() -> Task<> {
      auto ended = co_await io().sleep(20ms);
      slept += ended && io().now() - before >= 20ms;
    };
    auto all = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(receiver);
      (void)group.spawn(acceptor);
      (void)group.spawn(datagrams);
      (void)group.spawn(piped);
      (void)group.spawn(sleeper);
      co_await turns(3);
      change(to);
      raw.send("abc");
      const Raw client = Raw::connect(listener.local_address().value());
      auto sent = co_await datagram->send_to("12345", datagram->local_address().value());
      EXPECT_TRUE(sent);
      EXPECT_EQ(::write(write_end.get(), "pipe", 4), 4);
    };
    co_await with_task_group(io(), all);
    EXPECT_EQ(got, "abc");
    EXPECT_EQ(accepted, 1);
    EXPECT_EQ(datagram_size, 5u);
    EXPECT_EQ(from_pipe, "pipe");
    EXPECT_EQ(slept, 1);
  });
}

TEST_P(SetDriverTest, AWatchedDescriptorIsWatchedOn) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    int ends[2];
    POLYIO_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const os::UniqueFd out(ends[0]), in(ends[1]);
    auto handle = io().driver().watch(out.get());
    POLYIO_REQUIRE(handle);
    class Ready : public OpAwaiter {
     public:
      Ready(Io& io, Handle on) : OpAwaiter(io), on_(on) {}
      bool await_ready() { return io_->begin(io_->prepare(OpKind::ready, on_)); }
      Result<> await_resume() { return outcome(); }

     private:
      Handle on_;
    };
    bool ready = false;
    auto waiter = [&]() -> Task<> {
      Ready waiting(io(), *handle);
      auto result = co_await waiting;
      ready = result.has_value();
    };
    auto all = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(waiter);
      co_await turns(3);
      change(to);
      co_await turns(3);
      EXPECT_FALSE(ready);
      EXPECT_EQ(::write(in.get(), "x", 1), 1);
    };
    co_await with_task_group(io(), all);
    EXPECT_TRUE(ready);
    io().close(*handle);
  });
}

// The driver is replaced again and again while the send goes on.
TEST_P(SetDriverTest, ALargeSendLosesAndDoublesNoByte) {
  const std::string bytes = pattern(1'500'000);
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half(4096);
    std::string got;
    std::jthread reader([&] { got = raw.read(bytes.size()); });
    bool over = false;
    auto sender = [&]() -> Task<> {
      const std::string_view text = bytes;
      const Part parts[] = {text.substr(0, 700'001), text.substr(700'001)};
      auto sent = co_await stream.send_all(parts);
      EXPECT_TRUE(sent) << sent.error().message();
      if (!sent) stream.close();  // ends the reader
      over = true;
    };
    auto all = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(sender);
      for (int i = 0; i < 40 && !over; ++i) {
        co_await turns(2);
        change(i % 2 ? model() : to);
      }
    };
    co_await with_task_group(io(), all);
    reader.join();
    EXPECT_TRUE(got == bytes);
  });
}

TEST_P(SetDriverTest, WhatHadArrivedComesFirst) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("a");
    auto first = co_await read(stream, 1);
    for (const char* piece : {"b", "cd", "e"}) {
      raw.send(piece);
      co_await turns(3);
    }
    change(to);
    EXPECT_FALSE(stream.quiet());
    raw.send("fg");
    std::array<std::byte, 2> room;
    auto into = co_await stream.receive_into(room);
    EXPECT_TRUE(into);
    if (!into) co_return;
    std::string got = first + std::string(reinterpret_cast<const char*>(room.data()), *into);
    auto rest = co_await read(stream, 7 - got.size());
    EXPECT_EQ(got + rest, "abcdefg");
    EXPECT_TRUE(stream.quiet());
    raw.close();
    auto end = co_await stream.receive();
    EXPECT_TRUE(end && end->empty());
  });
}

TEST_P(SetDriverTest, WhatHadArrivedGoesWithItsStream) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("a");
    (void)co_await read(stream, 1);
    raw.send("unread");
    co_await turns(3);
    change(to);
    stream.close();
  });
}

TEST_P(SetDriverTest, ConnectionsThatHadComeAreAcceptedOnce) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    Listener listener = listen();
    const os::Address address = listener.local_address().value();
    std::string got;
    auto accept_one = [&]() -> Task<> {
      auto stream = co_await listener.accept();
      EXPECT_TRUE(stream);
      if (!stream) co_return;
      auto name = co_await read(*stream, 1);
      got += name;
    };
    std::vector<Raw> clients;
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      clients.push_back(Raw::connect(address));
      clients.back().send(name);
      if (clients.size() != 4) continue;
      co_await accept_one();  // may accept the others ahead
      co_await turns(3);
      change(to);
    }
    while (got.size() < clients.size()) co_await accept_one();
    EXPECT_EQ(got, "abcdef");
  });
}

TEST_P(SetDriverTest, AListenerThatHasStoppedStaysSo) {
  for (const bool shared : {false, true}) {
    if (shared && model() == "sigio") continue;
    on_each([&](std::string to, TaskGroup&) -> Task<> {
      if (shared && to == "sigio") co_return;
      auto socket = os::listen_stream(*os::Address::parse("127.0.0.1:0"), 16, os::Blocking::no);
      auto listener = io().adopt_listener(std::move(*socket), shared);
      POLYIO_REQUIRE(listener);
      {
        CancelScope moment(io(), 1ms);
        (void)co_await listener->accept();
      }
      (void)listener->stop_accepting();
      change(to);
      CancelScope limit(io(), 20s);
      auto none = co_await listener->accept();
      EXPECT_TRUE(cancelled(none));
    });
  }
}

TEST_P(SetDriverTest, LeasesStayGood) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("kept");
    auto lease = co_await stream.receive();
    POLYIO_REQUIRE(lease);
    change(to);
    raw.send("more");
    auto more = co_await stream.receive();
    EXPECT_TRUE(more);
    EXPECT_EQ(lease->text(), "kept");
    if (more) {
      EXPECT_EQ(more->text(), "more");
    }
    EXPECT_GE(io().retired_drivers(), 1u);
    *lease = Lease();
    co_await until([&] { return io().retired_drivers() == 0; });
  });
}

TEST_P(SetDriverTest, ACancelThatIsOnItsWayArrives) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half(4096);
    const std::string bytes(2'000'000, 'x');
    auto blocked = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&]() -> Task<> {
        auto sent = co_await stream.send_all(bytes);
        EXPECT_TRUE(cancelled(sent));
      });
      (void)group.spawn([&]() -> Task<> {
        auto got = co_await stream.receive();
        EXPECT_TRUE(cancelled(got));
      });
      co_await turns(3);
      group.cancel();
      change(to);
    };
    co_await with_task_group(io(), blocked);
    raw.send("still there");
    auto got = co_await read(stream, 11);
    EXPECT_EQ(got, "still there");
  });
}

TEST_P(SetDriverTest, AResetIsReportedWhoeverHadNoticedIt) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send("a");
    (void)co_await read(stream, 1);
    raw.reset();
    co_await turns(3);
    change(to);
    auto got = co_await stream.receive();
    EXPECT_TRUE(broken_off(got));
  });
}

TEST_P(SetDriverTest, ADrainGoesOn) {
  on_each([&](std::string to, TaskGroup&) -> Task<> {
    if (io().draining()) co_return;  // for good: with the first of them
    auto [stream, raw] = half();
    stream.keep_in_drain(false);
    raw.send("a");
    (void)co_await read(stream, 1);
    bool ended = false;
    auto receive = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&]() -> Task<> {
        auto got = co_await stream.receive();
        ended = got && got->empty();
      });
      co_await turns(3);
      change(to);
      io().drain();
    };
    co_await with_task_group(io(), receive);
    EXPECT_TRUE(ended);
  });
}

}  // namespace
}  // namespace polyio::contract
