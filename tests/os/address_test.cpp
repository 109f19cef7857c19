#include <gtest/gtest.h>
#include <polyio/os/address.hpp>

namespace polyio::os {
namespace {

// An IPv4 peer of an IPv6 socket has this address.
TEST(Address, ShowsIpv4InsideIpv6AsIpv4) {
  const auto mapped = Address::parse("[::ffff:192.0.2.7]:80");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->family(), AF_INET6);
  EXPECT_EQ(mapped->host(), "192.0.2.7");
  EXPECT_EQ(mapped->text(), "192.0.2.7:80");
  EXPECT_EQ(Address::parse("[2001:db8::7]:80")->text(), "[2001:db8::7]:80");
  EXPECT_EQ(Address::parse("[::1]:80")->host(), "::1");
}

}  // namespace
}  // namespace polyio::os
