#include <gtest/gtest.h>
#include <polyio/proto/network.hpp>

#include <vector>

namespace polyio::proto {
namespace {

TEST(IpAddress, IsReadAndWritten) {
  const std::pair<const char*, const char*> cases[] = {
      {"1.2.3.4", "1.2.3.4"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::8:800:200C:417A", "2001:db8::8:800:200c:417a"},
      {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"fe80::1:2", "fe80::1:2"},
      {"::ffff:10.0.0.1", "10.0.0.1"},
      {"::ffff:a00:1", "10.0.0.1"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
  };
  for (const auto& [text, written] : cases) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), written);
    EXPECT_EQ(IpAddress::parse(written), address) << text;
  }
  for (const auto* bad : {"",
                          ".",
                          ":",
                          ":::",
                          "1.2.3",
                          "1.2.3.4.5",
                          "1.2.3.256",
                          "1.2.3.04",
                          "1.2.3.",
                          ".1.2.3",
                          "1..3.4",
                          "1.2.3.-4",
                          "1.2.3.+4",
                          " 1.2.3.4",
                          "1.2.3.4 ",
                          "1.2.3.4/8",
                          "0x1.2.3.4",
                          "::1::",
                          "1:2",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:",
                          ":1:2:3:4:5:6:7:8",
                          "1:2:3:4:5:6:7:8:9",
                          "1:2:3:4:5:6:7:8::",
                          "::1:2:3:4:5:6:7:8",
                          "12345::",
                          "g::",
                          "::1%lo",
                          "[::1]",
                          "1:::2",
                          "::1.2.3",
                          "::1.2.3.4:5",
                          "1:2:3:4:5:6:7:1.2.3.4",
                          "::-1",
                          "::0x1",
                          "unix"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
}

TEST(Network, ContainsItsAddresses) {
  struct Case {
    const char *network, *host;
    bool contains;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},
      {"10.128.0.0/9", "10.127.0.1", false},
      {"10.128.0.0/9", "10.129.0.1", true},
      {"10.0.0.7/31", "10.0.0.6", true},
      {"10.0.0.7/31", "10.0.0.8", false},
      {"10.0.0.7", "10.0.0.7", true},
      {"10.0.0.7", "10.0.0.6", false},
      {"0.0.0.0/0", "1.2.3.4", true},
      {"0.0.0.0/0", "::1", false},
      {"::1", "::1", true},
      {"::1", "::2", false},
      {"fd00::/8", "fdff::1", true},
      {"fd00::/8", "fe00::1", false},
      {"::/0", "fe00::1", true},
      {"unix", "unix", true},
      {"unix", "::1", false},
      {"::/0", "unix", false},
      {"::/0", "", false},
      {"::/0", "name", false},
  };
  for (const auto& [network, host, contains] : cases) {
    const auto parsed = Network::parse(network);
    ASSERT_TRUE(parsed) << network;
    EXPECT_EQ(parsed->contains(host), contains) << network << " and " << host;
  }
  for (const auto* bad : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1",
                          "10.0.0.0/8/8", "::/129", "10.0.0/8", "localhost", "Unix", "unix/1"}) {
    ASSERT_FALSE(Network::parse(bad)) << bad;
    EXPECT_EQ(Network::parse(bad).error(),
              "write an address (::1), a network (10.0.0.0/8) or unix");
  }
  const std::vector<Network> two = {*Network::parse("unix"), *Network::parse("::1")};
  EXPECT_TRUE(any_contains(two, "::1"));
  EXPECT_FALSE(any_contains(two, "::2"));
  EXPECT_FALSE(any_contains({}, "::1"));
}

}  // namespace
}  // namespace polyio::proto
