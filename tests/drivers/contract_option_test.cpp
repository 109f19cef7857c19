// Socket options by name, on every model.
#include <polyio/io/datagram.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class OptionTest : public ContractTest {};
POLYIO_ON_EVERY_MODEL(OptionTest);

using os::SocketOption;

TEST_P(OptionTest, OfAConnectionAreSetAndRead) {
  struct Setting {
    SocketOption option;
    int value;
  };
  auto [stream, raw] = half();
  for (const auto& [option, value] :
       std::initializer_list<Setting>{{SocketOption::keep_alive, 1},
                                      {SocketOption::keep_alive_idle, 30},
                                      {SocketOption::keep_alive_interval, 5},
                                      {SocketOption::keep_alive_count, 3},
                                      {SocketOption::user_timeout, 10'000},
                                      {SocketOption::no_delay, 0},
                                      {SocketOption::no_delay, 1},
                                      {SocketOption::cork, 1},
                                      {SocketOption::cork, 0},
                                      {SocketOption::quick_ack, 1},
                                      {SocketOption::not_sent_low_water, 16'384},
                                      {SocketOption::priority, 3},
                                      {SocketOption::type_of_service, 0x10},
                                      {SocketOption::time_to_live, 9}}) {
    EXPECT_TRUE(stream.set_option(option, value)) << static_cast<int>(option);
    EXPECT_EQ(stream.option(option).value_or(-1), value) << static_cast<int>(option);
  }
  EXPECT_TRUE(stream.set_option(SocketOption::send_buffer, 20'000));
  EXPECT_EQ(stream.option(SocketOption::send_buffer).value_or(-1), 40'000) << "doubled";
  EXPECT_TRUE(stream.set_option(SocketOption::receive_buffer, 20'000));
  EXPECT_EQ(stream.option(SocketOption::receive_buffer).value_or(-1), 40'000);
  EXPECT_GT(stream.option(SocketOption::max_segment).value_or(-1), 0);
}

TEST_P(OptionTest, ThatTheSocketHasNotAreErrors) {
  auto datagram = io().bind(os::Address::parse("127.0.0.1:0").value()).value();
  EXPECT_TRUE(datagram.set_option(SocketOption::broadcast, 1));
  EXPECT_EQ(datagram.option(SocketOption::broadcast).value_or(-1), 1);
  EXPECT_FALSE(datagram.set_option(SocketOption::no_delay, 1));
  EXPECT_FALSE(datagram.option(SocketOption::no_delay));
}

}  // namespace
}  // namespace polyio::contract
