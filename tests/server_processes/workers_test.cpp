// Worker processes that crash, are replaced, and end with their supervisor.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <polyio/process/back_off.hpp>
#include <sstream>

#include "server/fixture.hpp"

namespace polyio::server_test {
namespace {

// The children of a process, zombies too; " Z" marks those in the text.
std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", parent));
  std::vector<pid_t> all;
  for (pid_t pid = 0; file >> pid;) all.push_back(pid);
  return all;
}

char state_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(") ");
  return name_end == std::string::npos ? '-' : text[name_end + 2];
}

bool has_zombie(pid_t parent) {
  const auto all = children_of(parent);
  return std::ranges::any_of(all, [](pid_t pid) { return state_of(pid) == 'Z'; });
}

bool gone(pid_t pid) { return state_of(pid) == '-' || state_of(pid) == 'Z'; }

// Answers who serves; "die" kills the process in the middle of the connection.
Task<> who(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    if (chunk->text() == "die") ::kill(::getpid(), SIGKILL);
    const std::string answer = fmt::format("{:08}", ::getpid());
    auto sent = co_await stream.send_all(std::string_view(answer));
    if (!sent) co_return;
  }
}

pid_t ask(Peer& peer) {
  peer.send("who");
  const std::string answer = peer.read(8);
  return answer.empty() ? 0 : static_cast<pid_t>(std::stoi(answer));
}

using testing::HasSubstr;

class Workers : public ServerTest {
 protected:
  static bool prefork() { return architecture() == Architecture::prefork; }
};
POLYIO_ON_DIALS(Workers, true);

TEST_P(Workers, OneKilledInMidConnectionHarmsNobodyAndIsReplaced) {
  auto chosen = options();
  chosen.workers = 3;
  Running running(chosen, who);
  running.start();
  std::vector<Peer> others;
  std::vector<pid_t> served_by;
  for (int i = 0; i < 2; ++i) {
    others.push_back(running.connect());
    served_by.push_back(ask(others.back()));
  }
  Peer doomed = running.connect();
  pid_t victim = ask(doomed);
  // Under prefork with loops a worker may have several connections: those of others live on.
  doomed.send("die");
  EXPECT_EQ(doomed.read_to_end(), "");
  EXPECT_TRUE(until([&] { return running.statistics().workers_crashed == 1; }));
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (served_by[i] != victim) {
      EXPECT_EQ(ask(others[i]), served_by[i]);
    }
  }
  EXPECT_TRUE(running.log.wait_for(fmt::format("process {} was killed by signal 9", victim)));
  EXPECT_TRUE(until([&] { return !prefork() || running.statistics().workers == 3; }));
  Peer next = running.connect();
  EXPECT_NE(ask(next), victim);
  EXPECT_TRUE(gone(victim));
  EXPECT_TRUE(until([&] { return !has_zombie(running.pid()); }));
  next.close();
  for (Peer& peer : others) peer.close();
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));  // the victim's too
}

TEST_P(Workers, ThatComeAndGoLeaveNoZombie) {
  auto chosen = options();
  chosen.workers = 2;
  Running running(chosen, who);
  running.start();
  for (int i = 0; i < 60; ++i) {
    Peer peer = running.connect();
    EXPECT_NE(ask(peer), 0);
  }
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  const std::size_t stay = prefork() ? 2 : 0;
  EXPECT_TRUE(until([&] { return children_of(running.pid()).size() == stay; }));
  EXPECT_FALSE(has_zombie(running.pid()));
  EXPECT_TRUE(until([&] { return running.statistics().workers == stay; }));
  EXPECT_EQ(running.statistics().workers_crashed, 0u);
}

TEST_P(Workers, EndWhenTheirSupervisorIsKilled) {
  auto chosen = options();
  chosen.workers = 3;
  Running running(chosen, who);
  running.start();
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(running.connect());
    EXPECT_NE(ask(peers.back()), 0);
  }
  EXPECT_TRUE(until([&] { return children_of(running.pid()).size() == 3; }));
  const auto workers = children_of(running.pid());
  running.kill();
  for (Peer& peer : peers) EXPECT_EQ(peer.read_to_end(), "");  // they drain
  for (const pid_t worker : workers) EXPECT_TRUE(until([&] { return gone(worker); })) << worker;
}

TEST_P(Workers, ASecondSignalCuts) {
  auto chosen = options();
  chosen.signals = true;
  chosen.workers = 2;
  Running running(chosen, [](Io& io, Stream stream) -> Task<> {
    (void)co_await stream.send_all(std::string_view("begun"));
    (void)co_await io.sleep(10h);
  });
  running.start();
  Peer peer = running.connect();
  EXPECT_EQ(peer.read(5), "begun");
  running.signal(SIGTERM);
  EXPECT_TRUE(until([&] { return !running.listens(); }));  // so the first one has been taken
  EXPECT_FALSE(peer.anything_there());
  running.signal(SIGTERM);
  running.join();
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_EQ(running.statistics().accepted, 1u);
  EXPECT_EQ(running.statistics().cut, 1u);
}

class Prefork : public ServerTest {};
INSTANTIATE_TEST_SUITE_P(All, Prefork, testing::ValuesIn([] {
                           auto all = all_dials(true);
                           std::erase_if(all, [](const Position& dials) {
                             return dials.architecture != "prefork";
                           });
                           return all;
                         }()),
                         dials_name);

TEST_P(Prefork, ACrashLoopBacksOff) {
  auto chosen = options();
  chosen.workers = 1;
  Running running(chosen, who);
  running.start();
  for (int i = 0; i < 4; ++i) {
    Peer doomed = running.connect();
    doomed.send("die");
    EXPECT_EQ(doomed.read_to_end(), "");
    EXPECT_TRUE(running.log.wait_for(fmt::format("replaced in {} ms", 100 << i)));
  }
  EXPECT_EQ(running.statistics().workers_crashed, 4u);
  Peer peer = running.connect();
  EXPECT_NE(ask(peer), 0);
}

TEST_P(Prefork, ReloadLosesNobody) {
  auto chosen = options();
  chosen.workers = 3;
  chosen.signals = true;
  Running running(chosen, who);
  running.start();
  Peer witness = running.connect();
  const pid_t before = ask(witness);
  EXPECT_TRUE(until([&] { return children_of(running.pid()).size() == 3; }));
  const auto old_workers = children_of(running.pid());
  std::atomic<bool> over{false};
  std::atomic<int> answered{0}, lost{0};
  {
    std::vector<std::jthread> storm;
    for (int i = 0; i < 4; ++i) {
      storm.emplace_back([&] {
        while (!over) {
          Peer peer = running.connect();
          ++(ask(peer) != 0 ? answered : lost);
        }
      });
    }
    for (int reload = 0; reload < 3; ++reload) {
      const int so_far = answered;
      EXPECT_TRUE(until([&] { return answered > so_far + 50 || lost > 0; }));
      running.signal(SIGHUP);
      EXPECT_TRUE(until([&] {
        const auto now = running.log.text();
        return std::ranges::count(now, '\n') >= reload + 1;
      }));
    }
    EXPECT_TRUE(until([&] {  // all but the one that the witness holds
      const auto now = children_of(running.pid());
      return now.size() <= 4 && std::ranges::count_if(old_workers, [&](pid_t pid) {
                                  return pid != before && !gone(pid);
                                }) == 0;
    }));
    over = true;
  }
  EXPECT_EQ(lost, 0);
  EXPECT_GT(answered, 100);
  EXPECT_EQ(ask(witness), before);  // undisturbed on its old worker
  Peer fresh = running.connect();
  EXPECT_EQ(std::ranges::count(old_workers, ask(fresh)), 0);
  witness.close();
  EXPECT_TRUE(until([&] { return gone(before); }));
  EXPECT_EQ(running.statistics().workers_crashed, 0u);
}

// With one client at a time no other connection wakes a worker for one that was passed over.
TEST_P(Prefork, ReloadServesALonelyClient) {
  auto chosen = options();
  chosen.workers = 3;
  chosen.signals = true;
  Running running(chosen, who);
  running.start();
  for (int reload = 0; reload < 10 && !HasFailure(); ++reload) {
    EXPECT_TRUE(until([&] { return children_of(running.pid()).size() == 3; }));
    const auto before = children_of(running.pid());
    running.signal(SIGHUP);
    EXPECT_TRUE(until([&] {
      Peer peer = running.connect();
      EXPECT_NE(ask(peer), 0);
      return HasFailure() || std::ranges::all_of(before, gone);
    }));
  }
  EXPECT_EQ(running.statistics().workers_crashed, 0u);
}

TEST(ServerBackOff, DoublesUpToItsLimitAndBeginsAgain) {
  process::BackOff back_off;
  std::vector<Nanoseconds> delays;
  for (int i = 0; i < 9; ++i) delays.push_back(back_off.after_crash(1s));
  EXPECT_EQ(delays, (std::vector<Nanoseconds>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms,
                                              10s, 10s}));
  EXPECT_EQ(back_off.after_crash(10s), 100ms);
  EXPECT_EQ(back_off.after_crash(9s), 200ms);
}

TEST(ServerForks, OnlyFromAProcessWithoutOtherThreads) {
  Running running({.model = "epoll", .architecture = "prefork"}, who);
  running.finish();  // it was not started: it ends at once
  std::atomic<bool> over{false};
  std::jthread other([&] { over.wait(false); });
  ServerOptions options{.model = "epoll", .architecture = "prefork"};
  options.log = [](std::string_view) {};
  Server server(options, who);
  try {
    server.run();
    ADD_FAILURE() << "it ran";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this process has 2 threads"));
  }
  over = true;
  over.notify_all();
}

TEST(ServerForks, HandlersThatNeverWaitAreKilledInTheEnd) {
  const ServerOptions chosen{.model = "epoll", .architecture = "prefork", .signals = false};
  const Shared<std::atomic<bool>> busy;
  Running running(chosen, [&](Io&, Stream stream) -> Task<> {
    (void)co_await stream.receive();
    *busy = true;
    for (;;) ::pause();  // deaf to every cancel
  });
  running.start();
  Peer peer = running.connect();
  peer.send("x");
  EXPECT_TRUE(until([&] { return busy->load(); }));
  running.server->stop();
  running.server->stop();
  running.join();
  EXPECT_THAT(running.log.text(), HasSubstr("1 processes did not end when they were asked to"));
}

}  // namespace
}  // namespace polyio::server_test
