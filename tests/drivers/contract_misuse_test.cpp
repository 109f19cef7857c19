// What a handler may not do ends the process with the rule that it broke, in every build.
#include "contract.hpp"

namespace polyio::contract {
namespace {

class MisuseTest : public ContractTest {
 public:
  void SetUp() override {
    ContractTest::SetUp();
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // forking would share the driver
  }
  Task<> wait_for_data(Stream& stream) {
    auto chunk = co_await stream.receive();
    (void)chunk;
  }
  // Where every task waits on a thread of its own, the kernel takes what comes.
  bool waits_alone() { return io().thread_per_job(); }
};
POLYIO_ON_EVERY_MODEL(MisuseTest);

TEST_P(MisuseTest, TwoReceivesThatWaitAtOnce) {
  if (waits_alone()) return;
  EXPECT_DEATH(run([&](TaskGroup& group) -> Task<> {
                 Pair ends = pair();
                 (void)group.spawn(&MisuseTest::wait_for_data, this, ends.near);
                 (void)group.spawn(&MisuseTest::wait_for_data, this, ends.near);
                 co_await turns(5);
                 group.cancel();
               }),
               "misuse: one receive and one send at a time.*\n.*\\+0x");
}

TEST_P(MisuseTest, AStreamThatIsClosedWhileATaskWaitsOnIt) {
  if (waits_alone()) return;
  EXPECT_DEATH(run([&](TaskGroup& group) -> Task<> {
                 Pair ends = pair();
                 (void)group.spawn(&MisuseTest::wait_for_data, this, ends.near);
                 co_await turns(5);
                 ends.near.close();
                 group.cancel();
               }),
               "misuse: a socket is closed when no task waits on it");
}

TEST_P(MisuseTest, AStreamThatIsEmpty) {
  const auto used = [&](auto use) {
    run([&](TaskGroup&) -> Task<> {
      Stream stream;
      co_await use(stream);
    });
  };
  const auto receive = [this](Stream& stream) { return wait_for_data(stream); };
  const auto send = [](Stream& stream) -> Task<> {
    auto sent = co_await stream.send_all("x");
    (void)sent;
  };
  const auto release = [](Stream& stream) -> Task<> {
    (void)stream.release();
    co_return;
  };
  EXPECT_DEATH(used(receive), "misuse: a socket is used while it is open");
  EXPECT_DEATH(used(send), "misuse: a socket is used while it is open");
  EXPECT_DEATH(used(release), "misuse: a socket is used while it is open");
}

}  // namespace
}  // namespace polyio::contract
