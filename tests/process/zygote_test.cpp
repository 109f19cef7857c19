// Zygote: workers of a process that has threads.
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/process/zygote.hpp>
#include <thread>

#include "fixture.hpp"
#include "support/eventually.hpp"

namespace polyio::process {
namespace {

struct Places {
  std::array<std::atomic<pid_t>, 3> pids{};
};
using Shared = ipc::Shared<Places>;

int zygote_main(Connection control, Shared places) {
  return Zygote::serve(std::move(control), [&](std::uint32_t place) {
    places->pids.at(place) = ::getpid();
    for (;;) ::pause();
    return 0;
  });
}
bool has_ended(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

TEST(ZygoteTest, StartsWorkersWhileThereAreThreads) {
  std::atomic<bool> stop{false};
  std::jthread other([&] { stop.wait(false); });
  Shared places;
  auto zygote = Zygote::start(Method::spawn, zygote_main, places);
  ASSERT_TRUE(zygote);
  std::vector<pid_t> pids;
  for (const std::uint32_t place : {2u, 0u}) {
    ASSERT_TRUE(zygote->ask(place));
    auto worker = zygote->receive(test::far_away());
    ASSERT_TRUE(worker);
    EXPECT_EQ(worker->place, place);
    EXPECT_EQ(worker->error, 0);
    const pid_t pid = worker->process.pid();
    EXPECT_TRUE(test::eventually([&] { return places->pids.at(place) == pid; }));
    pids.push_back(pid);
  }
  ASSERT_TRUE(zygote->ask(1));
  auto killed = zygote->receive(test::far_away());
  ASSERT_TRUE(killed);
  killed->kill();
  EXPECT_TRUE(test::eventually([&] { return has_ended(killed->process.pid()); })) << "reaped";
  zygote->end();
  for (const pid_t pid : pids) EXPECT_TRUE(has_ended(pid));
  stop = true;
  stop.notify_one();
}

TEST(ZygoteTest, ItsDeathIsSeenAndEndsTheWorkers) {
  Shared places;
  auto zygote = Zygote::start(Method::spawn, zygote_main, places);
  ASSERT_TRUE(zygote);
  ASSERT_TRUE(zygote->ask(0));
  auto worker = zygote->receive(test::far_away());
  ASSERT_TRUE(worker);
  for (const auto& child : active_children()) {
    if (child.name == "Zygote") ::kill(child.pid, SIGKILL);
  }
  EXPECT_FALSE(zygote->receive(test::far_away()));
  // Its zombie may stay a while: whatever adopts orphans reaps it.
  EXPECT_TRUE(test::eventually([&] {
    const auto state = state_of(worker->process.pid());
    return !state || state->state == State::terminated;
  }));
}

}  // namespace
}  // namespace polyio::process
