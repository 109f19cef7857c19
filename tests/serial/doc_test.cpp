// What docs/processes.md shows of serialisation.
#include <gtest/gtest.h>

#include <polyio/serial/serial.hpp>

namespace {

struct Address {
  std::string street;
  int number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(street, number);
  }
};

TEST(SerialDoc, AClassWithOneMemberMoreCanBeSent) {
  const auto bytes = polyio::serial::to_bytes(Address{"Main", 7});
  const auto back = polyio::serial::from_bytes<Address>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<0>(*back).number, 7);
}

}  // namespace
