// TLS over the simulated network: records cut anywhere, operations that end early, late and
// cancelled, connections that are reset. The rule: what is received is a beginning of what was
// sent; it is all of it when the end of file comes; and nothing is left behind.
#include <polyio/tls/tls.hpp>

#include "certificates.hpp"
#include "sim/explore.hpp"
#include "sim/pair.hpp"

namespace polyio::tls_test {
namespace {

using namespace sim_test;

Authority& authority() {
  static Authority one;
  return one;
}
const tls::ServerContext& server_context() {
  static const tls::ServerContext context(authority().sign("x", "DNS:localhost").files);
  return context;
}
const tls::ClientContext& client_context() {
  static const tls::ClientContext context({authority().file()});
  return context;
}

std::string words(Random& random, std::size_t most) {
  std::string text(random.below(most), ' ');
  for (char& c : text) c = static_cast<char>(random.next() & 0xff);
  return text;
}

// One end of a conversation: sends all of `out`, in pieces, and receives until the end.
struct End {
  Stream& stream;
  std::string out, in = {};
  bool sent = false, ended = false;
};

Task<> send_all_of(Io& io, End& end, std::uint64_t seed) {
  Random random(seed);
  for (std::string_view rest = end.out; !rest.empty();) {
    const auto piece = rest.substr(0, 1 + random.below(random.chance(1, 2) ? 50 : 40'000));
    auto sent = co_await end.stream.send_all(piece);
    if (!sent) co_return;
    rest.remove_prefix(piece.size());
    if (random.chance(1, 4)) (void)co_await io.sleep(Nanoseconds(random.below(2'000'000)));
  }
  end.sent = end.stream.shutdown_send().has_value();
}

Task<> receive_all_of(Io& io, End& end, std::uint64_t seed) {
  Random random(seed);
  const bool impatient = random.chance(1, 3);
  std::array<std::byte, 777> room;
  for (;;) {
    CancelScope moment(
        io, impatient ? deadline_after(io.now(), Nanoseconds(random.below(50'000'000))) : never);
    std::size_t count = 0;
    std::error_code error;
    if (random.chance(1, 2)) {
      auto chunk = co_await end.stream.receive();
      if (chunk) end.in += chunk->text();
      if (chunk) count = chunk->size();
      if (!chunk) error = chunk.error();
    } else {
      const auto some = std::span(room).first(1 + random.below(room.size()));
      auto got = co_await end.stream.receive_into(some);
      if (got) end.in.append(reinterpret_cast<const char*>(some.data()), *got);
      if (got) count = *got;
      if (!got) error = got.error();
    }
    if (error == std::errc::timed_out && moment.timed_out()) continue;
    if (!error && count > 0) continue;
    end.ended = !error;
    co_return;
  }
}

Task<> talk(Io& io, SimDriver& sim, Random& random, Pair& pair) {
  const auto address = *pair.client.local_address();
  Result<> accepted, connected;
  auto shake = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn([&]() -> Task<> {
      auto done = co_await tls::accept(pair.server, server_context(), {}, std::chrono::hours(1));
      accepted = done;
      if (!done) pair.server.close();
    });
    auto done =
        co_await tls::connect(pair.client, client_context(), "localhost", std::chrono::hours(1));
    connected = done;
    if (!done) pair.client.close();
  };
  co_await with_task_group(io, shake);
  const bool faulty = sim.was_reset(address);
  require((accepted && connected) || faulty, "a handshake failed without a fault");
  if (!accepted || !connected) co_return;
  End client{pair.client, words(random, 70'000)}, server{pair.server, words(random, 70'000)};
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(send_all_of, io, client, random.next());
    (void)group.spawn(send_all_of, io, server, random.next());
    (void)group.spawn(receive_all_of, io, client, random.next());
    co_await receive_all_of(io, server, random.next());
  };
  co_await with_task_group(io, both);
  for (const auto& [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
    require(from->out.starts_with(to->in), "not what was sent");
    require(!to->ended || to->in.size() == from->out.size(), "an end of file, and bytes missing");
    require(sim.was_reset(address) || (to->ended && from->sent), "no end without a fault");
  }
}

// A connection of its own for each seed.
void for_seeds(std::uint64_t count, const OptionsOf& options_of) {
  const auto scenario = [](Io& io, SimDriver& sim, Random& random) -> Task<> {
    auto listener = io.listen(address("10.0.0.1:443"), 16);
    require(listener.has_value(), "cannot listen");
    Pair pair = co_await make_pair(io, *listener);
    co_await talk(io, sim, random, pair);
  };
  explore("tls", scenario, 1, count, options_of);
}

SimOptions with_a_connection(std::uint64_t seed) {
  SimOptions options = SimOptions::from_seed(seed);
  options.refused = options.unreachable = options.open_fault = options.accept_fault = 0;
  return options;
}

TEST(SimTest, WhatIsReceivedIsWhatWasSent) { for_seeds(150, with_a_connection); }
TEST(DeepSimTest, WhatIsReceivedIsWhatWasSent) { for_seeds(10'000, with_a_connection); }

// Every segment is one byte: records arrive in as many pieces as they have bytes.
TEST(SimTest, ByteByByte) {
  for_seeds(3, [](std::uint64_t seed) {
    SimOptions options = without_faults(seed);
    options.segment_max = 1;
    return options;
  });
}

}  // namespace
}  // namespace polyio::tls_test
