// Contract: how a connection ends: half-closed, closed, reset, under a blocked send.
#include "contract.hpp"

namespace polyio::contract {
namespace {

class EndTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(EndTest);

TEST_P(EndTest, HalfCloseLeavesTheOtherDirectionOpen) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    EXPECT_TRUE(ends.near.shutdown_send());
    for (int i = 0; i < 2; ++i) {
      auto chunk = co_await ends.far.receive();
      EXPECT_TRUE(chunk && chunk->empty()) << "finished, and stays so";
    }
    for (const char* text : {"one", "two"}) {
      auto sent = co_await ends.far.send_all(text);
      EXPECT_TRUE(sent);
      auto got = co_await read(ends.near, 3);
      EXPECT_EQ(got, text);
    }
    auto refused = co_await ends.near.send_all("x");
    EXPECT_TRUE(failed_with(refused, std::errc::broken_pipe));
    ends.far.close();
    for (int i = 0; i < 2; ++i) {
      auto chunk = co_await ends.near.receive();
      EXPECT_TRUE(chunk && chunk->empty());
    }
  };
  run(body);
}

TEST_P(EndTest, ASendThatWaitsSeesItsOwnShutdown) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half(16 * 1024);
    const std::string much = pattern(4 << 20);
    bool sending = false, broke = false;
    auto writer = [&, &out = stream]() -> Task<> {
      sending = true;
      auto sent = co_await out.send_all(much);
      broke = failed_with(sent, std::errc::broken_pipe);
    };
    (void)group.spawn(writer);
    co_await until([&] { return sending; });
    co_await turns(3);
    EXPECT_TRUE(stream.shutdown_send());
    co_await until([&] { return group.running() == 0; });
    EXPECT_TRUE(broke);
  };
  run(body);
}

// With bytes of the peer unread, a mere close would reset the connection.
TEST_P(EndTest, FinishLosesNothing) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    raw.send("never received");
    const std::string much = pattern(200'000);
    auto sent = co_await stream.send_all(much);
    EXPECT_TRUE(sent);
    bool finished = false;
    auto finishing = [&, &out = stream]() -> Task<> {
      auto result = co_await out.finish(1h);
      EXPECT_TRUE(result);
      finished = true;
    };
    (void)group.spawn(finishing);
    raw.send("nor this");
    auto got = co_await read_to_end(raw);
    EXPECT_TRUE(got == much);
    EXPECT_FALSE(finished);
    raw.close();
    co_await until([&] { return finished; });
    EXPECT_FALSE(stream);
  };
  run(body);
}

TEST_P(EndTest, FinishWaitsAndTakesWithinItsBounds) {
  auto body = [&](TaskGroup& group) -> Task<> {
    {
      auto [stream, raw] = half();
      auto finished = co_await stream.finish(2ms);
      EXPECT_TRUE(timed_out(finished));
      EXPECT_FALSE(stream);
    }
    auto [stream, raw] = half();
    bool finished = false;
    auto finishing = [&, &out = stream]() -> Task<> {
      auto result = co_await out.finish(1h, 1000);
      EXPECT_TRUE(failed_with(result, std::errc::message_size));
      finished = true;
    };
    (void)group.spawn(finishing);
    co_await until([&, &client = raw] {
      client.send("more ");  // until it is too much
      return finished;
    });
    auto [gone, peer] = half();
    peer.reset();
    co_await turns(3);
    auto after_a_reset = co_await gone.finish(1h);
    EXPECT_FALSE(after_a_reset);
    EXPECT_FALSE(gone);
  };
  run(body);
}

TEST_P(EndTest, AResetIsNoEnd) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    auto sent = co_await ends.near.send_all("not all");
    EXPECT_TRUE(sent);
    auto got = co_await read(ends.far, 7);
    EXPECT_EQ(got, "not all");
    ends.near.reset();
    EXPECT_FALSE(ends.near);
    ends.near.reset();  // a second time does nothing
    auto chunk = co_await ends.far.receive();
    EXPECT_TRUE(failed_with(chunk, std::errc::connection_reset));
  };
  run(body);
}

// Some models have a receive under way still, which ended for the task.
TEST_P(EndTest, AResetIsNoEndAfterAReceiveThatTimedOut) {
  auto body = [&](TaskGroup&) -> Task<> {
    Pair ends = pair();
    {
      CancelScope patience(io(), 2ms);
      auto nothing = co_await ends.near.receive();
      EXPECT_TRUE(timed_out(nothing));
    }
    ends.near.reset();
    auto chunk = co_await ends.far.receive();
    EXPECT_TRUE(failed_with(chunk, std::errc::connection_reset));
  };
  run(body);
}

TEST_P(EndTest, TheEndIsSeenByAWaitingReceive) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    bool waiting = false, ended = false;
    auto reader = [&, &in = stream]() -> Task<> {
      waiting = true;
      auto chunk = co_await in.receive();
      ended = chunk && chunk->empty();
    };
    (void)group.spawn(reader);
    co_await until([&] { return waiting; });
    co_await turns(3);
    raw.close();
    co_await until([&] { return group.running() == 0; });
    EXPECT_TRUE(ended);
  };
  run(body);
}

// One event tells of the last bytes and of the end: the end is seen all the same.
TEST_P(EndTest, LastBytesAndEndAtOnce) {
  for (int before = 0; before < 4; ++before) {
    auto body = [&](TaskGroup& group) -> Task<> {
      auto [stream, raw] = half();
      std::string got;
      bool waiting = false;
      auto reader = [&, &in = stream]() -> Task<> {
        waiting = true;
        {
          auto awaited = co_await read_to_end(in);
          got = std::move(awaited);
        }
      };
      (void)group.spawn(reader);
      co_await until([&] { return waiting; });
      if (before & 1) co_await turns(3);
      if (before & 2) {
        raw.send("first ");
        co_await turns(3);
      }
      raw.send("last");
      raw.close();
      co_await until([&] { return group.running() == 0; });
      EXPECT_EQ(got, before & 2 ? "first last" : "last");
    };
    run(body);
  }
}

TEST_P(EndTest, ResetEndsAWaitingReceive) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    bool waiting = false, reset = false;
    auto reader = [&, &in = stream]() -> Task<> {
      waiting = true;
      auto chunk = co_await in.receive();
      reset = failed_with(chunk, std::errc::connection_reset);
    };
    (void)group.spawn(reader);
    co_await until([&] { return waiting; });
    co_await turns(3);
    raw.reset();
    co_await until([&] { return group.running() == 0; });
    EXPECT_TRUE(reset);
    for (int i = 0; i < 3; ++i) {
      auto sent = co_await stream.send_all("x");
      EXPECT_TRUE(broken_off(sent)) << "an error, and no SIGPIPE";
    }
  };
  run(body);
}

TEST_P(EndTest, ResetBeforeTheReceive) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.reset();
    auto chunk = co_await stream.receive();
    EXPECT_TRUE(failed_with(chunk, std::errc::connection_reset));
    auto sent = co_await stream.send_all("x");
    EXPECT_TRUE(broken_off(sent));
  };
  run(body);
}

TEST_P(EndTest, APeerThatGoesEndsABlockedSend) {
  for (const bool hard : {true, false}) {
    auto body = [&](TaskGroup& group) -> Task<> {
      auto [stream, raw] = half(32 * 1024);
      const std::string bytes = pattern(4 << 20);
      bool sending = false, ended = false;
      auto sender = [&, &out = stream]() -> Task<> {
        sending = true;
        auto sent = co_await out.send_all(bytes);
        ended = broken_off(sent);
      };
      (void)group.spawn(sender);
      co_await until([&] { return sending; });
      co_await turns(5);
      if (hard) {
        raw.reset();
      } else {
        raw.close();  // unread bytes are inside: a reset too
      }
      co_await until([&] { return group.running() == 0; });
      EXPECT_TRUE(ended);
    };
    run(body);
  }
}

// The number of a closed descriptor is used again at once: what was meant for the old never reaches
// the new.
TEST_P(EndTest, DescriptorNumbersUsedAgain) {
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int round = 0; round < 200; ++round) {
      auto [stream, raw] = half();
      bool waiting = false;
      auto reader = [&, &in = stream]() -> Task<> {
        CancelScope scope(io());
        waiting = true;
        auto got = co_await in.receive();
        EXPECT_TRUE(got && got->text() == std::to_string(round));
      };
      (void)group.spawn(reader);
      co_await until([&] { return waiting; });
      if (round % 2) co_await turns(1);
      raw.send(std::to_string(round));
      co_await until([&] { return group.running() == 0; });
      raw.send("stale");
      if (round % 3 == 0) raw.reset();
    }  // closed with bytes and a reset that nobody looked at
  };
  run(body);
}

// Collected in one turn: an event for a stream that another event's handler closes first.
TEST_P(EndTest, ClosedWhileItsEventIsOnItsWay) {
  auto body = [&](TaskGroup& group) -> Task<> {
    for (int round = 0; round < 50; ++round) {
      auto [first, first_raw] = half();
      auto [second, second_raw] = half();
      int waiting = 0;
      CancelScope* other = nullptr;
      auto victim = [&, &in = second]() -> Task<> {
        {
          CancelScope scope(io());
          other = &scope;
          ++waiting;
          (void)co_await in.receive();
          other = nullptr;
        }
        in.close();
      };
      auto killer = [&, &in = first]() -> Task<> {
        ++waiting;
        (void)co_await in.receive();
        if (other) other->cancel();
      };
      (void)group.spawn(killer);
      (void)group.spawn(victim);
      co_await until([&] { return waiting == 2; });
      co_await turns(round % 3);
      first_raw.send("x");
      second_raw.send("y");
      co_await until([&] { return group.running() == 0; });
      auto [third, third_raw] = half();  // takes the number
      third_raw.send("z");
      auto got = co_await third.receive();
      EXPECT_TRUE(got && got->text() == "z");
    }
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
