// Contract: a cancellation ends what waits, at every point of it, and loses nothing: success beats
// it.
#include <atomic>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class CancelTest : public ContractTest {
 protected:
  // Starts `operation() -> Task<>` in a scope of its own, lets it wait `after` turns and cancels
  // it.
  Task<> cancel_after(int after, std::function<Task<>()> operation) {
    CancelScope* scope = nullptr;
    bool begun = false;
    auto inside = [&]() -> Task<> {
      CancelScope own(io());
      scope = &own;
      begun = true;
      co_await operation();
      scope = nullptr;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(inside);
      co_await until([&] { return begun; });
      co_await turns(after);
      if (scope) scope->cancel();
      if (scope) scope->cancel();  // once more does nothing
    };
    co_await with_task_group(io(), body);
  }
};
POLYIO_ON_EVERY_MODEL(CancelTest);

TEST_P(CancelTest, AReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    for (int after = 0; after < 4; ++after) {
      auto receive = [&, &in = stream]() -> Task<> {
        auto chunk = co_await in.receive();
        EXPECT_TRUE(cancelled(chunk));
        std::array<std::byte, 4> room;
        auto count = co_await in.receive_into(room);
        EXPECT_TRUE(cancelled(count)) << "the scope stays cancelled";
      };
      co_await cancel_after(after, receive);
      raw.send("later");
      auto got = co_await read(stream, 5);
      EXPECT_EQ(got, "later") << "the stream lives on";
    }
  };
  run(body);
}

// Bytes and cancellation in the same turn or nearly so: delivered now or by the next receive.
TEST_P(CancelTest, NoByteIsLost) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    std::string sent, got;
    for (int round = 0; round < 200; ++round) {
      const std::string text = std::to_string(round) + ";";
      std::array<std::byte, 3> room;
      auto receive = [&, &in = stream]() -> Task<> {
        if (round % 2) {
          auto chunk = co_await in.receive();
          if (chunk) got += chunk->text();
          EXPECT_TRUE(chunk || cancelled(chunk));
        } else {
          auto count = co_await in.receive_into(room);
          if (count) got.append(reinterpret_cast<const char*>(room.data()), *count);
          EXPECT_TRUE(count || cancelled(count));
        }
      };
      auto body_of_round = [&](TaskGroup& round_group) -> Task<> {
        (void)round_group.spawn([&] { return cancel_after(1 + round % 5, receive); });
        co_await turns(round / 5 % 4);
        raw.send(text);
        sent += text;
      };
      co_await with_task_group(io(), body_of_round);
    }
    raw.shutdown_send();
    auto rest = co_await read_to_end(stream);
    EXPECT_EQ(got + rest, sent);
  };
  run(body);
}

TEST_P(CancelTest, BeforeItBegins) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    Listener listener = listen();
    const os::Address address = *listener.local_address();
    Raw queued = Raw::connect(address);
    raw.send("here");
    co_await turns(2);
    {
      CancelScope scope(io());
      scope.cancel();
      auto chunk = co_await stream.receive();
      EXPECT_TRUE(cancelled(chunk));
      auto sent = co_await stream.send_all("never");
      EXPECT_TRUE(cancelled(sent));
      auto accepted = co_await listener.accept();
      EXPECT_TRUE(cancelled(accepted));
      auto connected = co_await io().connect(address);
      EXPECT_TRUE(cancelled(connected));
      auto slept = co_await io().sleep(1h);
      EXPECT_TRUE(cancelled(slept));
      auto parked = co_await io().park();
      EXPECT_TRUE(cancelled(parked));
    }
    auto got = co_await read(stream, 4);
    EXPECT_EQ(got, "here");
    auto accepted = co_await listener.accept();
    EXPECT_TRUE(accepted);
    stream.close();
    auto nothing = co_await read_to_end(raw);
    EXPECT_EQ(nothing, "") << "nothing was sent";
  };
  run(body);
}

TEST_P(CancelTest, AnAccept) {
  auto body = [&](TaskGroup&) -> Task<> {
    Listener listener = listen();
    for (int after = 0; after < 4; ++after) {
      auto accept = [&]() -> Task<> {
        auto stream = co_await listener.accept();
        EXPECT_TRUE(cancelled(stream));
      };
      co_await cancel_after(after, accept);
    }
    Raw raw = Raw::connect(*listener.local_address());
    auto stream = co_await listener.accept();
    EXPECT_TRUE(stream);
  };
  run(body);
}

// A connection that comes with the cancellation is accepted now or by the next accept, never
// leaked.
TEST_P(CancelTest, NoConnectionIsLost) {
  auto body = [&](TaskGroup&) -> Task<> {
    Listener listener = listen();
    const os::Address address = *listener.local_address();
    for (int round = 0; round < 60; ++round) {
      Stream stream;
      auto accept = [&]() -> Task<> {
        auto accepted = co_await listener.accept();
        if (accepted) stream = std::move(*accepted);
        EXPECT_TRUE(stream || cancelled(accepted));
      };
      Raw raw;
      auto body_of_round = [&](TaskGroup& round_group) -> Task<> {
        (void)round_group.spawn([&] { return cancel_after(1 + round % 4, accept); });
        co_await turns(round / 4 % 4);
        raw = Raw::connect(address);
      };
      co_await with_task_group(io(), body_of_round);
      if (!stream) {
        auto accepted = co_await listener.accept();
        POLYIO_REQUIRE(accepted);
        stream = std::move(*accepted);
      }
      raw.send("yours");
      auto got = co_await read(stream, 5);
      EXPECT_EQ(got, "yours");
    }
    // The last comes after the last accept: closing the listener takes care of it.
    auto accept = [&]() -> Task<> { (void)co_await listener.accept(); };
    co_await cancel_after(2, accept);
    Raw unwanted = Raw::connect(address);
    co_await turns(5);
  };
  run(body);
}

TEST_P(CancelTest, AConnect) {
  auto body = [&](TaskGroup&) -> Task<> {
    // A full queue of connections that nobody accepts: the next connect waits.
    Listener listener = listen("127.0.0.1:0", 0);
    const os::Address address = *listener.local_address();
    Raw first = Raw::connect(address);
    for (int after = 0; after < 3; ++after) {
      auto connect = [&]() -> Task<> {
        auto stream = co_await io().connect(address);
        EXPECT_TRUE(cancelled(stream));
      };
      co_await cancel_after(after, connect);
    }
    CancelScope scope(io(), 5ms);
    auto stream = co_await io().connect(address);
    EXPECT_TRUE(timed_out(stream));
  };
  run(body);
}

TEST_P(CancelTest, ABlockedSend) {
  const std::string bytes = pattern(2 << 20);
  auto body = [&](TaskGroup&) -> Task<> {
    for (int after = 0; after < 4; ++after) {
      auto [stream, raw] = half(32 * 1024);
      auto send = [&, &out = stream]() -> Task<> {
        auto sent = co_await out.send_all(bytes);
        EXPECT_TRUE(cancelled(sent));
      };
      co_await cancel_after(after, send);
      stream.close();
      auto got = co_await read_to_end(raw);
      EXPECT_LT(got.size(), bytes.size());
      EXPECT_TRUE(bytes.starts_with(got)) << "a part of it, in order";
    }
  };
  run(body);
}

// The peer reads on while the sender is cancelled: what arrived is a prefix, or all of it and
// success.
TEST_P(CancelTest, ASendThatGoesOn) {
  const std::string bytes = pattern(256 * 1024);
  auto body = [&](TaskGroup&) -> Task<> {
    for (int round = 0; round < 40; ++round) {
      auto [stream, raw] = half(32 * 1024);
      std::string got;
      std::atomic<bool> read = false;
      std::jthread reader([&got, &read, &from = raw] {
        got = from.read_to_end();
        read = true;
      });
      bool complete = false;
      auto send = [&, &out = stream]() -> Task<> {
        auto sent = co_await out.send_all(bytes);
        complete = sent.has_value();
        EXPECT_TRUE(sent || cancelled(sent));
      };
      co_await cancel_after(round, send);
      stream.close();
      co_await until([&] { return read.load(); });
      EXPECT_TRUE(bytes.starts_with(got));
      EXPECT_TRUE(!complete || got.size() == bytes.size());
    }
  };
  run(body);
}

TEST_P(CancelTest, ASleepAndAPark) {
  auto body = [&](TaskGroup&) -> Task<> {
    for (int after = 0; after < 4; ++after) {
      auto sleep = [&]() -> Task<> {
        auto slept = co_await io().sleep(1h);
        EXPECT_TRUE(cancelled(slept));
      };
      co_await cancel_after(after, sleep);
      auto park = [&]() -> Task<> {
        auto parked = co_await io().park();
        EXPECT_TRUE(cancelled(parked));
      };
      co_await cancel_after(after, park);
    }
    auto without_end = [&]() -> Task<> {
      auto slept = co_await io().sleep_until(never);
      EXPECT_TRUE(cancelled(slept));
    };
    co_await cancel_after(2, without_end);
  };
  run(body);
}

// An event came, somebody else took the bytes, and the receive is cancelled before it looks: it has
// to end.
TEST_P(CancelTest, IsNotDroppedWhenTheEventWasFalse) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [mine, raw] = raw_pair();
    Raw thief{os::UniqueFd(::dup(mine.fd()))};
    Stream stream = adopt(std::move(mine));
    CancelScope* scope = nullptr;
    bool ended = false, was_cancelled = false;
    auto reader = [&]() -> Task<> {
      CancelScope own(io());
      scope = &own;
      auto chunk = co_await stream.receive();
      was_cancelled = cancelled(chunk);
      ended = true;
    };
    (void)group.spawn(reader);
    co_await until([&] { return scope != nullptr; });
    co_await turns(2);
    raw.send("x");
    co_await turns(1);
    char byte;
    const bool stolen = ::recv(thief.fd(), &byte, 1, MSG_DONTWAIT) == 1;
    if (!ended) scope->cancel();
    co_await turns(20);
    // So that a lost cancellation fails instead of hanging; a thread in recv(2) might still take
    // it.
    if (!ended && model() != "blocking") raw.send("y");
    co_await until([&] { return ended; });
    if (model() == "posix-aio" && was_cancelled && !stolen) {
      // A helper thread had the byte and had not told of it yet: it is the next receive's.
      auto got = co_await read(stream, 1);
      EXPECT_EQ(got, "x");
      co_return;
    }
    EXPECT_EQ(was_cancelled, stolen);
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
