// A session's end leaves the rooms in order, whatever ended it.
#include <gtest/gtest.h>

#include <chat/model/member.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/sim/sim.hpp>

#include "no_memory.hpp"

namespace polyio::chat {
namespace {

class Members : public testing::Test {
 protected:
  Members()
      : io_(std::make_unique<SimDriver>(SimOptions{})), chat_(ChatOptions{.write_inline = true}) {
    chat_.open({&io_});
  }
  void run(const std::function<Task<>(Stream&)>& scenario) {
    const auto body = [&]() -> Task<> {
      auto listener = io_.listen(*os::Address::parse("10.0.0.1:80"), 8);
      auto stream = co_await io_.connect(*os::Address::parse("10.0.0.1:80"));
      co_await scenario(*stream);
    };
    io_.run(body());
  }
  std::size_t present() const { return chat_.people(); }
  std::size_t listening() const { return chat_.lobby(io_).listening(); }

  Io io_;
  Chat chat_;
};

TEST_F(Members, LeaveWhereTheirSessionThrows) {
  run([this](Stream& stream) -> Task<> {
    try {
      Member member(chat_, stream, Wire::line, address_of(stream));
      member.join();
      EXPECT_TRUE(member.rename("alice"));
      EXPECT_EQ(present(), 1u);
      throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
    }
    EXPECT_EQ(present(), 0u);
    EXPECT_EQ(listening(), 0u);
    Member other(chat_, stream, Wire::line, address_of(stream));
    other.join();
    EXPECT_TRUE(other.rename("Alice")) << "its nickname is free";
    co_return;
  });
}

// What can't be told to the rooms for lack of memory is told by the next who comes.
TEST_F(Members, LeaveLaterWhereThereIsNoMemoryForIt) {
#if POLYIO_ASAN || POLYIO_TSAN
  GTEST_SKIP() << "operator new is the sanitizer's";
#endif
  run([this](Stream& stream) -> Task<> {
    {
      Member member(chat_, stream, Wire::line, address_of(stream));
      member.join();
      EXPECT_TRUE(member.rename("alice"));
      chat_test::no_memory = true;
    }
    chat_test::no_memory = false;
    EXPECT_EQ(present(), 1u);
    EXPECT_EQ(listening(), 1u);
    Member next(chat_, stream, Wire::line, address_of(stream));
    next.join();
    (void)co_await io_.sleep(std::chrono::milliseconds(1));
    EXPECT_EQ(listening(), 1u) << "itself";
    EXPECT_TRUE(next.rename("ALICE"));
    next.leave();
    EXPECT_EQ(present(), 0u);
  });
}

}  // namespace
}  // namespace polyio::chat
