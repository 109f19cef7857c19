#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "explore.hpp"  // tests/sim; link polyio and gtest

using namespace polyio;
using namespace std::chrono_literals;

// The server: one connection, one answer.
Task<> answer_once(Listener& listener) {
  auto stream = co_await listener.accept();
  if (!stream) co_return listener.close();  // EMFILE, say: waiting clients are reset
  auto sent = co_await stream->send_all("pong");
  (void)sent;
}

// The client, and what must hold however the network cuts and delays.
Task<> ping(Io& io, SimDriver& sim, Random& random) {
  const auto address = *os::Address::parse("10.0.0.1:80");
  auto listener = io.listen(address, 8);
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(answer_once, *listener);
    auto slept = co_await io.sleep(Nanoseconds(random.below(1'000'000)));
    auto stream = co_await io.connect(address);
    std::string answer;
    while (slept && stream) {
      auto chunk = co_await stream->receive();
      if (!chunk || chunk->empty()) break;
      answer += chunk->text();
    }
    sim_test::require(std::string_view("pong").starts_with(answer), "not what was sent");
    (void)sim;  // sim.was_reset(address of a client): the network reset it
    group.cancel();
  };
  co_await with_task_group(io, both);
}

TEST(Ping, Works) { sim_test::explore("ping", ping, 1, 2'000); }
