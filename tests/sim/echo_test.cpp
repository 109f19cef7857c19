#include "echo_scenario.hpp"

namespace polyio::sim_test {
namespace {

TEST(SimEcho, EveryByteComesBackInUpperCase) { explore("echo", echo_scenario(upper), 1, 20'000); }

// --- the oracles find mistakes: a handler with each ---

Task<> drops_a_byte(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes().subspan(chunk->size() > 100 ? 1 : 0));
    if (!sent) co_return;
  }
}

Task<> sends_twice(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (sent && chunk->size() == 1) {
      auto awaited = co_await stream.send_all(chunk->bytes());
      sent = std::move(awaited);
    }
    if (!sent) co_return;
  }
}

Task<> hangs_up_early(Io&, Stream stream) {
  for (std::size_t total = 0; total < 1'000;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    total += chunk->size();
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

Task<> never_ends(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
    if (!chunk->empty()) continue;
    Io& io = stream.io();
    (void)co_await io.park();
    co_return;
  }
}

Task<> leaks_a_lease(Io&, Stream stream) {
  auto chunk = co_await stream.receive();
  if (!chunk || chunk->empty()) co_return;
  ascii_upper(chunk->bytes());
  (void)co_await stream.send_all(chunk->bytes());
  alignas(Lease) static std::byte grave[sizeof(Lease)];
  new (grave) Lease(std::move(*chunk));
}

Task<> leaks_a_stream(Io&, Stream stream) {
  static auto& graves = *new std::vector<Stream*>;
  Stream* kept = graves.emplace_back(new Stream(std::move(stream)));
  for (;;) {
    auto chunk = co_await kept->receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await kept->send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

struct Mistake {
  const char* name;
  Handler handler;
  const char* noticed;
};

class SimEchoMistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(SimEchoMistakes, AreNoticed) {
  const auto found = find_failure(echo_scenario(GetParam().handler), 1, 1'000);
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(found->failure.find(GetParam().noticed), std::string::npos) << found->failure;
}

INSTANTIATE_TEST_SUITE_P(, SimEchoMistakes,
                         ::testing::Values(Mistake{"DropsAByte", drops_a_byte, ""},
                                           Mistake{"SendsTwice", sends_twice, "not what was sent"},
                                           Mistake{"HangsUpEarly", hangs_up_early, ""},
                                           Mistake{"NeverEnds", never_ends, "wait in park"},
                                           Mistake{"LeaksALease", leaks_a_lease, "leases"},
                                           Mistake{"LeaksAStream", leaks_a_stream, ""}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace polyio::sim_test
