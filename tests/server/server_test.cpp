#include <pthread.h>

#include <map>
#include <polyio/io/task_group.hpp>
#include <polyio/os/thread.hpp>
#include <set>

#include "server/serving_cases.hpp"

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(Serving, false);

TEST_P(Serving, EveryConnectionHasAHome) {
  auto chosen = options();
  std::mutex mutex;
  std::set<const Io*> homes;
  Running running(chosen, [&](Io& io, Stream stream) -> Task<> {
    {
      const std::lock_guard lock(mutex);
      homes.insert(&io.home());
    }
    co_await echo(io, std::move(stream));
  });
  const auto known = running.server->homes();
  EXPECT_EQ(known.size(), chosen.architecture == "loops" ? 4u : 1u);
  running.start();
  std::vector<Peer> peers;
  for (std::size_t i = 0; i < at_once(8); ++i) {
    peers.push_back(running.connect());
    peers.back().expect_echo("x");
  }
  running.finish();
  EXPECT_EQ(homes, std::set<const Io*>(known.begin(), known.end()));
}

TEST_P(Serving, FiveHundredComeAndGoAndNoDescriptorIsLeft) {
  const std::size_t before = open_fds();
  {
    Running running(options(), echo);
    running.start();
    for (int i = 0; i < 500; ++i) {
      Peer peer = running.connect();
      if (i % 5 != 0) peer.expect_echo("hi");
      if (i % 5 == 1) peer.send("unread");
      if (i % 5 == 2) peer.reset();
      if (i % 5 != 3) continue;
      peer.finish();
      EXPECT_EQ(peer.read_to_end(), "");
    }
    EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
    EXPECT_EQ(running.statistics().failed, 0u);
    EXPECT_GE(running.statistics().accepted, 400u);  // what is reset in the backlog may never come
  }
  EXPECT_EQ(open_fds(), before);
}

// --- policies ---

TEST(Policies, ServeAll) {
  for (const char* policy : {"fcfs", "sjf", "rr", "mlfq"}) {
    for (const char* architecture : {"loop", "loops"}) {
      Running running({.model = "epoll",
                       .architecture = architecture,
                       .policy = policy,
                       .workers = 2,
                       .signals = false},
                      echo);
      const bool named = running.server->ready_line().ends_with(fmt::format(", {})", policy));
      EXPECT_EQ(named, policy != std::string_view("fcfs"));
      EXPECT_EQ(running.server->policy(), policy);
      running.start();
      std::vector<Peer> peers;
      for (int i = 0; i < 20; ++i) peers.push_back(running.connect());
      for (int round = 0; round < 3; ++round) {
        for (Peer& peer : peers) peer.send("some");
        for (Peer& peer : peers) EXPECT_EQ(peer.read(4), "some");
      }
      for (Peer& peer : peers) peer.finish();
      for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "");
    }
  }
}

// --- loops ---

TEST(ServerThreads, HaveASmallStack) {
  std::size_t handlers = 0, childs = 0;
  const auto stack_size = [] {
    pthread_attr_t attributes;
    std::size_t size = 0;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    ::pthread_attr_getstacksize(&attributes, &size);
    ::pthread_attr_destroy(&attributes);
    return size;
  };
  ServerOptions options;
  options.model = "blocking";
  Running running(options, [&](Io& io, Stream stream) -> Task<> {
    handlers = stack_size();
    auto child = [&]() -> Task<> {
      childs = stack_size();
      co_return;
    };
    auto body = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(child);
      co_return;
    };
    co_await with_task_group(io, body);
    co_await echo(io, std::move(stream));
  });
  running.start();
  running.connect().expect_echo("x");
  EXPECT_EQ(handlers, os::Thread::stack_size);
  EXPECT_EQ(childs, os::Thread::stack_size);
}

TEST(ServerLoops, SpreadConnectionsEvenly) {
  for (const Position& dials : all_dials(false)) {
    if (dials.architecture != "loops") continue;
    ServerOptions options;
    options.model = dials.model;
    options.architecture = "loops";
    options.workers = 4;
    std::mutex mutex;
    std::map<const Io*, int> loads;
    Running running(options, [&](Io& io, Stream stream) -> Task<> {
      {
        const std::lock_guard lock(mutex);
        ++loads[&io];
      }
      co_await echo(io, std::move(stream));
    });
    running.start();
    std::vector<Peer> peers;
    for (int i = 1; i <= 22; ++i) {
      peers.push_back(running.connect());
      peers.back().expect_echo("x");
      const std::lock_guard lock(mutex);
      for (const auto& [io, load] : loads) EXPECT_LE(load, (i + 3) / 4) << dials.model;
      EXPECT_EQ(loads.size(), std::min(i, 4)) << dials.model;
    }
  }
}

}  // namespace
}  // namespace polyio::server_test
