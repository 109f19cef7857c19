// resolve and connect: what a slow name server, an address that refuses and one that does not
// answer do to the waiting task, and to no other.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <polyio/client/connect.hpp>
#include <polyio/os/socket.hpp>
#include <set>
#include <stdexcept>

#include "echo_server.hpp"

namespace polyio {
namespace {

using namespace client_test;
using Addresses = std::vector<os::Address>;

os::Address address(const std::string& text) { return os::Address::parse(text).value(); }

// An address whose listener's queue is full: a connect to it is never answered.
class Silent {
 public:
  Silent() : listener_(os::listen_stream(address("127.0.0.1:0"), 0, os::Blocking::no).value()) {
    at = os::local_address(listener_.get()).value();
    for (os::UniqueFd& one : fill_) {
      one = os::stream_socket(AF_INET, os::Blocking::no).value();
      EXPECT_TRUE(os::start_connect(one.get(), at));
    }
  }
  os::Address at;

 private:
  os::UniqueFd listener_;
  os::UniqueFd fill_[4];
};

class Names : public IoTest {};
POLYIO_ON_EVERY_MODEL(Names);
class Connecting : public IoTest {};
POLYIO_ON_EVERY_MODEL(Connecting);

TEST_P(Names, AreLookedUpElsewhere) {
  std::thread::id there;
  Resolver resolver({.lookup = [&](const std::string& host, std::uint16_t port) {
    there = std::this_thread::get_id();
    EXPECT_EQ(host, "a.test");
    return Result<Addresses>(Addresses{address("127.0.0.2:" + std::to_string(port))});
  }});
  run([&](TaskGroup&) -> Task<> {
    auto found = co_await resolver.resolve(io(), "a.test", 80);
    POLYIO_REQUIRE(found && found->size() == 1);
    EXPECT_EQ(found->front().text(), "127.0.0.2:80");
  });
  EXPECT_NE(there, std::this_thread::get_id());
}

TEST_P(Names, TheSystemsResolverKnowsLocalhost) {
  run([&](TaskGroup&) -> Task<> {
    auto found = co_await resolve(io(), "localhost", 80);
    POLYIO_REQUIRE(found && !found->empty());
    EXPECT_EQ(found->front().port(), 80);
  });
}

TEST_P(Names, AreLookedUpByThreadsNicerThanTheLoop) {
  const int here = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  int there = here;
  Resolver resolver({.lookup = [&](const std::string&, std::uint16_t) {
    there = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
    return Result<Addresses>(Addresses{address("127.0.0.1:80")});
  }});
  run([&](TaskGroup&) -> Task<> {
    auto found = co_await resolver.resolve(io(), "any.test", 80);
    EXPECT_TRUE(found);
  });
  EXPECT_EQ(there, std::min(here + 10, 19));
  EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())), here);
}

TEST_P(Names, NumbersAreNotLookedUp) {
  Resolver resolver({.lookup = [](const std::string& host, std::uint16_t) -> Result<Addresses> {
    ADD_FAILURE() << "asked for " << host;
    return fail(ENOENT);
  }});
  run([&](TaskGroup&) -> Task<> {
    auto four = co_await resolver.resolve(io(), "192.0.2.1", 80);
    POLYIO_REQUIRE(four);
    EXPECT_EQ(four->front().text(), "192.0.2.1:80");
    auto six = co_await resolver.resolve(io(), "::1", 80);
    POLYIO_REQUIRE(six);
    EXPECT_EQ(six->front().text(), "[::1]:80");
  });
  EXPECT_EQ(resolver.pool().threads(), 0u);
}

TEST_P(Names, ErrorsAndExceptionsComeThrough) {
  Resolver resolver({.lookup = [](const std::string& host, std::uint16_t) -> Result<Addresses> {
    if (host == "throws.test") throw std::runtime_error("no memory");
    return fail(std::error_code(-2, os::resolve_category()));
  }});
  run([&](TaskGroup&) -> Task<> {
    auto unknown = co_await resolver.resolve(io(), "unknown.test", 80);
    EXPECT_EQ(unknown.error(), std::error_code(-2, os::resolve_category()));
    bool thrown = false;
    try {
      auto found = co_await resolver.resolve(io(), "throws.test", 80);
      (void)found;
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

// The lookup is held at a gate the whole time: what ends the wait can only be the deadline.
TEST_P(Names, ADeadlineEndsTheWaitAtOnce) {
  Gate gate;
  Resolver resolver({.lookup = [&](const std::string&, std::uint16_t) {
    gate.pass();
    return Result<Addresses>(Addresses{address("127.0.0.1:80")});
  }});
  run([&](TaskGroup&) -> Task<> {
    CancelScope limit(io(), 1ms);
    auto found = co_await resolver.resolve(io(), "slow.test", 80);
    EXPECT_TRUE(timed_out(found));
  });
  gate.open();
}

TEST_P(Names, ACancelEndsTheWaitAtOnceAndTheIoMayGo) {
  Gate gate;
  Resolver resolver({.lookup = [&](const std::string& host, std::uint16_t) {
    gate.pass();
    // State of its own: the task, its strings and its Io are gone by now.
    return Result<Addresses>(Addresses(host.size(), address("127.0.0.1:80")));
  }});
  {
    auto own = make_io();
    auto body = [&](TaskGroup& group) -> Task<> {
      bool ended = false;
      auto task = [&]() -> Task<> {
        auto found = co_await resolver.resolve(*own, "a-name-too-long-for-short-strings.test", 80);
        EXPECT_TRUE(cancelled(found));
        ended = true;
      };
      POLYIO_REQUIRE(group.spawn(task));
      while (gate.begun == 0) {
        auto yielded = co_await own->yield();
        (void)yielded;
      }
      group.cancel();
      while (!ended) {
        auto yielded = co_await own->yield();
        (void)yielded;
      }
    };
    own->run(with_task_group(*own, body));
    EXPECT_EQ(own->jobs(), 0u);
  }
  gate.open();
}

TEST_P(Names, LookupsAreBoundedAndTheAbandonedInLineNeverBegin) {
  Gate gate;
  std::mutex mutex;
  std::set<std::string> asked;
  Resolver resolver({.threads = 2, .queue = 3, .lookup = [&](const std::string& host, auto) {
                       {
                         const std::lock_guard lock(mutex);
                         asked.insert(host);
                       }
                       gate.pass();
                       return Result<Addresses>(Addresses{address("127.0.0.1:80")});
                     }});
  run([&](TaskGroup& group) -> Task<> {
    auto one = [&](std::string host, bool gives_up) -> Task<> {
      CancelScope limit(io(), gives_up ? monotonic_now() + 1ms : never);
      auto found = co_await resolver.resolve(io(), host, 80);
      if (gives_up) {
        EXPECT_TRUE(timed_out(found));
      } else {
        EXPECT_TRUE(found);
      }
    };
    POLYIO_REQUIRE(group.spawn(one, "first.test", false));
    POLYIO_REQUIRE(group.spawn(one, "second.test", false));
    co_await until([&] { return gate.begun == 2; });
    co_await one("given-up.test", true);
    for (int i = 0; i < 3; ++i) POLYIO_REQUIRE(group.spawn(one, "next.test", false));
    co_await until([&] { return resolver.pool().waiting() == 3; });
    auto refused = co_await resolver.resolve(io(), "one-too-many.test", 80);
    EXPECT_TRUE(failed_with(refused, std::errc::resource_unavailable_try_again));
    EXPECT_EQ(gate.begun, 2);
    gate.open(5);
    co_await until([&] { return group.running() == 0; });  // they use what is declared here
  });
  EXPECT_EQ(asked, (std::set<std::string>{"first.test", "second.test", "next.test"}));
  EXPECT_EQ(resolver.pool().threads(), 2u);
}

TEST_P(Connecting, ByNameAndPort) {
  run([&](TaskGroup& group) -> Task<> {
    EchoServer server(io(), group);
    auto stream = co_await connect(io(), server.address.text());
    POLYIO_REQUIRE(stream);
    auto good = co_await exchange(*stream, "hello");
    EXPECT_TRUE(good);
    auto wrong = co_await connect(io(), "no port");
    EXPECT_TRUE(failed_with(wrong, std::errc::invalid_argument));
    co_await server.stop();
  });
}

TEST_P(Connecting, TriesTheNextAddressAtOnceWhenOneRefuses) {
  const test::ReservedPort refusing, again;
  run([&](TaskGroup& group) -> Task<> {
    EchoServer server(io(), group);
    Addresses all{refusing.address, again.address, server.address};
    const ConnectOptions patient{.attempt_delay = 1h};
    auto stream = co_await connect(io(), all, never, patient);
    POLYIO_REQUIRE(stream);
    EXPECT_EQ(stream->peer_address()->text(), server.address.text());
    co_await server.stop();
  });
}

TEST_P(Connecting, TriesTheNextAddressBesideOneThatDoesNotAnswer) {
  Silent silent;
  run([&](TaskGroup& group) -> Task<> {
    EchoServer server(io(), group);
    Addresses all{silent.at, server.address};
    const ConnectOptions quick{.attempt_delay = 1ms};
    auto stream = co_await connect(io(), all, never, quick);
    POLYIO_REQUIRE(stream);
    EXPECT_EQ(stream->peer_address()->text(), server.address.text());
    co_await server.stop();
  });
}

TEST_P(Connecting, TakesFamiliesInTurn) {
  Silent silent;
  const test::ReservedPort refusing;
  run([&](TaskGroup&) -> Task<> {
    auto six = io().listen(address("[::1]:0"), 16);
    if (!six) co_return;  // no IPv6 here
    // The third is tried second; else the silent one would hold it up for an hour.
    Addresses all{refusing.address, silent.at, *six->local_address()};
    const ConnectOptions patient{.attempt_delay = 1h, .attempt_timeout = 1h};
    auto stream = co_await connect(io(), all, never, patient);
    POLYIO_REQUIRE(stream);
    EXPECT_EQ(stream->peer_address()->family(), AF_INET6);
  });
}

TEST_P(Connecting, GivesTheLastError) {
  const test::ReservedPort refusing, again;
  run([&](TaskGroup&) -> Task<> {
    Addresses all{refusing.address, again.address};
    auto refused = co_await connect(io(), all);
    EXPECT_TRUE(failed_with(refused, std::errc::connection_refused));
    auto none = co_await connect(io(), Addresses());
    EXPECT_TRUE(failed_with(none, std::errc::address_not_available));
  });
}

TEST_P(Connecting, EndsAtItsDeadline) {
  Silent silent;
  const test::ReservedPort refusing;
  run([&](TaskGroup&) -> Task<> {
    Addresses all{refusing.address, silent.at};
    auto late = co_await connect(io(), all, monotonic_now() + 5ms);
    EXPECT_TRUE(timed_out(late));
    auto too_late = co_await connect(io(), all, monotonic_now());
    EXPECT_TRUE(timed_out(too_late));
  });
}

TEST_P(Connecting, AnAddressHasATimeOfItsOwn) {
  Silent silent;
  run([&](TaskGroup&) -> Task<> {
    const Addresses only{silent.at};
    const ConnectOptions brief{.attempt_timeout = 2ms};
    auto late = co_await connect(io(), only, never, brief);
    EXPECT_TRUE(timed_out(late));
  });
}

TEST_P(Connecting, EndsWithItsScope) {
  Silent silent;
  run([&](TaskGroup& group) -> Task<> {
    bool begun = false, ended = false;
    auto task = [&]() -> Task<> {
      begun = true;
      const Addresses both{silent.at, silent.at};
      auto stream = co_await connect(io(), both);
      EXPECT_TRUE(cancelled(stream));
      ended = true;
    };
    POLYIO_REQUIRE(group.spawn(task));
    co_await until([&] { return begun; });
    co_await turns(5);
    EXPECT_FALSE(ended);
    group.cancel();
    co_await until([&] { return ended; });
  });
}

TEST_P(Connecting, OfSeveralConnectionsOneIsKept) {
  run([&](TaskGroup& group) -> Task<> {
    EchoServer one(io(), group), other(io(), group);
    for (int i = 0; i < 20; ++i) {
      Addresses both{one.address, other.address};
      const ConnectOptions side_by_side{.attempt_delay = 0ns};
      auto stream = co_await connect(io(), both, never, side_by_side);
      POLYIO_REQUIRE(stream);
      auto good = co_await exchange(*stream, "hello");
      EXPECT_TRUE(good);
      stream->close();
      co_await until([&] { return one.open + other.open == 0; });  // the loser was closed, too
    }
    co_await one.stop();
    co_await other.stop();
  });
}

}  // namespace
}  // namespace polyio
