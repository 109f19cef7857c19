// A server that runs out of descriptors, threads, processes or memory says so, refuses visibly, and
// serves again once there is some. Each server is in a process of its own, whose limits are
// lowered.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <polyio/base/sanitizers.hpp>

#include "server/fixture.hpp"

namespace polyio::server_test {
namespace {

using testing::HasSubstr;

void limit_to(__rlimit_resource_t what, rlim_t most) {
  const rlimit both{most, most};
  if (::setrlimit(what, &both) != 0) throw std::system_error(errno, std::generic_category());
}

// A user of its own, or the limit would count other people's threads, and root has none.
void limit_threads(rlim_t most) {
  constexpr uid_t nobody_else = 61'234;
  limit_to(RLIMIT_NPROC, most);
  if (::setresuid(nobody_else, nobody_else, nobody_else) != 0) {
    throw std::system_error(errno, std::generic_category(), "setresuid");
  }
}

// Connects until some were served and some refused; then those go, and there is room again.
void exhaust(ServerOptions options, std::function<void()> before, std::string_view why) {
  options.signals = false;
  options.refusal = "no room\n";
  Running running(options, echo, std::move(before));
  running.start();
  std::vector<Peer> served;
  int refused = 0;
  for (int i = 0; i < 60 && refused < 5; ++i) {
    Peer peer = running.connect();
    peer.send("x");
    const std::string answer = peer.read_to_end_or(1);
    if (answer == "x") {
      served.push_back(std::move(peer));
    } else {
      EXPECT_EQ(answer, "no room\n");
      ++refused;
    }
  }
  EXPECT_GT(served.size(), 2u);
  EXPECT_EQ(refused, 5);
  EXPECT_EQ(running.statistics().refused, 5u);
  EXPECT_THAT(running.log.text(), HasSubstr(why));
  for (Peer& peer : served) peer.expect_echo("still here");
  served.clear();
  EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
  // A thread or process that has ended is gone a moment later.
  EXPECT_TRUE(until([&] {
    Peer peer = running.connect();
    peer.send("x");
    return peer.read_to_end_or(1) == "x";
  }));
}

TEST(Exhaustion, OfThreadsIsARefusalAndARecovery) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become the user whose threads are counted";
  for (const char* model : {"poll", "epoll"}) {
    SCOPED_TRACE(model);
    exhaust(
        {.model = model, .architecture = "thread-per-connection"}, [] { limit_threads(12); },
        "a connection was refused: no thread: pthread_create: Resource temporarily");
  }
}

TEST(Exhaustion, OfProcessesIsARefusalAndARecovery) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become the user whose processes are counted";
  exhaust(
      {.model = "poll", .architecture = "process-per-connection"},
      [] { limit_threads(POLYIO_TSAN ? 30 : 20); }, "a connection was refused: no process: ");
}

TEST(Exhaustion, OfDescriptorsLeavesTheRestInTheBacklog) {
  for (const char* architecture : {"loop", "process-per-connection", "prefork"}) {
    SCOPED_TRACE(architecture);
    ServerOptions options{.model = "poll", .architecture = architecture, .workers = 1};
    options.signals = false;
    Running running(options, echo, [] { limit_to(RLIMIT_NOFILE, 40); });
    running.start();
    std::vector<Peer> peers;
    for (int i = 0; i < 60; ++i) peers.push_back(running.connect());
    EXPECT_TRUE(until([&] {
      return running.statistics().accept_errors > 0 || running.statistics().refused > 0;
    }));
    for (Peer& peer : peers) {
      peer.poke();
      peer.finish();
      (void)peer.read_to_end();  // its answer, or its end; nobody hangs
      peer.close();
    }
    EXPECT_TRUE(until([&] { return running.statistics().active == 0; }));
    running.connect().expect_echo("again");
  }
}

// "much" wants more memory than there is.
Task<> greedy(Io& io, Stream stream) {
  auto chunk = co_await stream.receive();
  if (!chunk || chunk->empty()) co_return;
  if (chunk->text() == "much") {
    const std::string much(std::size_t{1} << 30, 'x');
    (void)co_await stream.send_all(std::string_view(much).substr(0, 1));
  }
  auto sent = co_await stream.send_all(chunk->bytes());
  if (sent) co_await echo(io, std::move(stream));
}

TEST(Exhaustion, OfMemoryCostsTheConnectionThatWantedIt) {
  if (POLYIO_ASAN || POLYIO_TSAN) GTEST_SKIP() << "a sanitizer's shadow needs the address space";
  for (const ModelInfo& info : list_models()) {
    for (const std::string& architecture : info.architectures) {
      if (!info.available || architecture == "iterative") continue;
      if (info.model == "blocking" && !forks(architecture)) continue;  // see Running
      SCOPED_TRACE(info.model + " " + architecture);
      ServerOptions options{.model = info.model, .architecture = architecture, .workers = 3};
      options.signals = false;
      Running running(options, greedy, [] { limit_to(RLIMIT_AS, rlim_t{900} << 20); });
      running.start();
      Peer witness = running.connect();
      witness.expect_echo("here");
      Peer doomed = running.connect();
      doomed.send("much");
      EXPECT_EQ(doomed.read_to_end(), "");
      EXPECT_TRUE(until([&] { return running.statistics().failed == 1; })) << running.log.text();
      EXPECT_TRUE(until([&] {  // the count comes first, from another process
        return running.log.text().contains("a handler threw: out of memory");
      })) << running.log.text();
      witness.expect_echo("still here");
      running.connect().expect_echo("a new one");
    }
  }
}

}  // namespace
}  // namespace polyio::server_test
