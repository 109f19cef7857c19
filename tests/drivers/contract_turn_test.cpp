// Contract: a job whose operations all end at once lets the others have their turns.
#include "contract.hpp"

namespace polyio::contract {
namespace {

class TurnTest : public ContractTest {
 protected:
  void SetUp() override {
    ContractTest::SetUp();
    if (IsSkipped()) return;
    if (io().thread_per_job()) GTEST_SKIP() << "jobs do not take turns";
    // tests/io/turn_order_test.cpp shows where a turn ends there.
    if (policy() == sched::Kind::sjf || policy() == sched::Kind::mlfq) {
      GTEST_SKIP() << "the other job may have several turns before this one's";
    }
  }

  // Receives `total` bytes while another job takes turn after turn; what came between two of them
  // at most.
  struct Most {
    std::size_t bytes = 0, chunks = 0;
  };
  Most most_between_turns(const std::string& text, std::size_t room) {
    Most most, now;
    bool over = false;
    auto [stream, raw] = half(1 << 22);
    auto receiver = [&, &in = stream]() -> Task<> {
      std::vector<std::byte> own(room);
      for (std::size_t received = 0; received < text.size();) {
        auto count = co_await in.receive_into(own);
        POLYIO_REQUIRE(count && *count > 0);
        received += *count;
        now.bytes += *count;
        most.bytes = std::max(most.bytes, now.bytes);
        most.chunks = std::max(most.chunks, ++now.chunks);
      }
      over = true;
    };
    auto body = [&, &out = raw](TaskGroup& group) -> Task<> {
      for (std::string_view rest = text; !rest.empty();) {
        const std::size_t sent = out.send_what_fits(rest);
        rest.remove_prefix(sent);
        if (sent > 0) continue;
        ADD_FAILURE() << "the socket's buffers are too small";
        co_return;
      }
      (void)group.spawn(receiver);
      while (!over && group.running() > 0) {
        now = {};
        co_await turns(1);
      }
    };
    run(body);
    stream.close();
    return most;
  }
};
POLYIO_ON_EVERY_MODEL(TurnTest);

TEST_P(TurnTest, IsBoundedInBytes) {
  const Most most = most_between_turns(pattern(1'000'000), 40'000);
  EXPECT_LE(most.bytes, 128u * 1024);
}

TEST_P(TurnTest, IsBoundedInOperations) {
  const Most most = most_between_turns(pattern(5'000), 10);
  EXPECT_LE(most.chunks, 65u);
}

}  // namespace
}  // namespace polyio::contract
