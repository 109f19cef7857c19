// A channel's reset (ECONNRESET): the kernel says once that messages were unread, and the end comes
// with the next call.
#include <gtest/gtest.h>

#include <polyio/linux/process.hpp>

#include "walk.hpp"

namespace polyio::torture {
namespace {

TEST(Channel, AnEndWithMessagesUnreadIsAnEnd) {
  for (const bool wait : {false, true}) {
    auto channel = os::make_channel();
    ASSERT_TRUE(channel);
    ASSERT_TRUE(os::send_message(channel->ours.get(), 'x'));
    channel->theirs.reset();
    for (int i = 0; i < 2; ++i) {
      const auto message = os::receive_message(channel->ours.get(), wait);
      ASSERT_TRUE(message) << message.error().message();
      EXPECT_EQ(message->byte, 0);
    }
  }
}

// A supervisor that took it for the end would never hear of that worker again.
TEST(Channel, AResetWithoutAnEndLosesNoMessage) {
  for (const bool wait : {false, true}) {
    auto channel = os::make_channel();
    ASSERT_TRUE(channel);
    ASSERT_TRUE(os::send_message(channel->theirs.get(), 'x'));
    arm(parse_fault("recvmsg:1:ECONNRESET"));
    const auto message = os::receive_message(channel->ours.get(), wait);
    EXPECT_EQ(fired(), Fired::yes);
    disarm();
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_EQ(message->byte, 'x');
  }
}

}  // namespace
}  // namespace polyio::torture
