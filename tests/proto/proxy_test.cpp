#include <polyio/proto/proxy.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

using namespace std::string_literals;

// A header of version 2: command and version, family and transport, addresses and extensions.
std::string v2(char command, char family, const std::string& rest) {
  return "\r\n\r\n\0\r\nQUIT\n"s + command + family + static_cast<char>(rest.size() >> 8) +
         static_cast<char>(rest.size()) + rest;
}
const std::string four = "\x01\x02\x03\x04\x0a\x00\x00\x01\x12\x34\x00\x50"s;
const std::string six =
    "\xfd"s + std::string(14, '\0') + "\x01"s + std::string(16, '\0') + "\x00\x50\x00\x51"s;

TEST(ProxyHeader, SaysWhereAConnectionComesFrom) {
  const std::pair<std::string, const char*> cases[] = {
      {"PROXY TCP4 1.2.3.4 10.0.0.1 4660 80\r\n", "ipv4 1.2.3.4 4660"},
      {"PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n", "ipv6 2001:db8::1 65535"},
      {"PROXY UNKNOWN\r\n", "none  0"},
      {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none  0"},
      {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "none  0"},
      {v2('\x21', '\x11', four), "ipv4 1.2.3.4 4660"},
      {v2('\x21', '\x12', four + "\x04\x00\x01x"s), "ipv4 1.2.3.4 4660"},
      {v2('\x21', '\x21', six), "ipv6 fd00::1 80"},
      {v2('\x21', '\x31', "\x1b[2J"s + std::string(212, '\0')), "unix unix 0"},
      {v2('\x20', '\x11', four), "none  0"},
      {v2('\x20', '\0', ""), "none  0"},
      {v2('\x21', '\0', "more"), "none  0"},
      {v2('\x21', '\x10', ""), "none  0"},
      {v2('\x21', '\x11', four + std::string(4068, 'x')), "ipv4 1.2.3.4 4660"},
  };
  for (const auto& [header, source] : cases) {
    SCOPED_TRACE(source);
    EXPECT_EQ(proxy_log({header + "rest"}), (Log{source, "rest"}));
    EXPECT_EQ(proxy_log({header.substr(0, header.size() - 1)}), Log{"unfinished"});
    expect_same_however_cut(header + "rest", proxy_log);
  }
}

TEST(ProxyHeader, IsRefusedAsSoonAsItIsWrong) {
  const std::string none = "error no PROXY header, which this port begins with";
  const std::string addresses = "error a PROXY line with malformed addresses";
  const std::string family = "error a PROXY line of an unknown family";
  const std::string end = "error a PROXY line without an end";
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\n", none},
      {"x", none},
      {"PROXYX", none},
      {"\r\n\r\nx", none},
      {"proxy TCP4", none},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 1 2\n", end},
      {"PROXY UNKNOWN " + std::string(93, 'x'), end},
      {"PROXY TCP5 1.2.3.4 10.0.0.1 1 2\r\n", family},
      {"PROXY \r\n", family},
      {"PROXY UNKNOWNX\r\n", family},
      {"PROXY TCP4\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 1\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 1 2 \r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 1 2 3\r\n", addresses},
      {"PROXY TCP4  1.2.3.4 10.0.0.1 1 2\r\n", addresses},
      {"PROXY TCP4 ::1 10.0.0.1 1 2\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", addresses},
      {"PROXY TCP6 1.2.3.4 ::1 1 2\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 65536 2\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 01 2\r\n", addresses},
      {"PROXY TCP4 1.2.3.4 10.0.0.1 1 -2\r\n", addresses},
      {v2('\x11', '\x11', four), "error a PROXY header of an unknown version"},
      {v2('\x22', '\x11', four), "error a PROXY header of an unknown version"},
      {v2('\x21', '\x41', four), "error a PROXY header of an unknown family"},
      {v2('\x21', '\x13', four), "error a PROXY header of an unknown family"},
      {v2('\x21', '\x11', four.substr(1)), "error a PROXY header without addresses"},
      {v2('\x21', '\x21', four), "error a PROXY header without addresses"},
      {v2('\x21', '\x31', six), "error a PROXY header without addresses"},
      {v2('\x21', '\x11', std::string(4081, 'x')).substr(0, 16),
       "error a PROXY header that is too long"},
  };
  for (const auto& [header, error] : cases) {
    SCOPED_TRACE(header);
    EXPECT_EQ(proxy_log({header}), Log{error});
    expect_same_however_cut(header, proxy_log);
  }
}

TEST(ForwardedFor, IsTheLastThatIsNotTrusted) {
  const Network trusted[] = {*Network::parse("10.0.0.0/8"), *Network::parse("::1"),
                             *Network::parse("unix")};
  struct Case {
    const char *peer, *list, *source;
  };
  const Case cases[] = {
      {"1.2.3.4", "5.6.7.8", "1.2.3.4"},  // anybody can send it
      {"::1", "5.6.7.8", "5.6.7.8"},
      {"unix", "5.6.7.8", "5.6.7.8"},
      {"10.0.0.1", "9.9.9.9, 5.6.7.8 ,10.0.0.2", "5.6.7.8"},
      {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
      {"10.0.0.1", "5.6.7.8, unknown, 10.0.0.2", "10.0.0.2"},
      {"10.0.0.1", "5.6.7.8,", "5.6.7.8"},
      {"10.0.0.1", "5.6.7.8, , 10.0.0.2", "10.0.0.2"},
      {"10.0.0.1", "", "10.0.0.1"},
      {"::1", "5.6.7.8:90", "5.6.7.8"},
      {"::1", "[2001:DB8::1]:90", "2001:db8::1"},
      {"::1", "2001:db8::1", "2001:db8::1"},
      {"::1", "::ffff:10.0.0.1", "10.0.0.1"},
      {"::1", "[2001:db8::1", "::1"},
      {"::1", "<script>", "::1"},
  };
  for (const auto& [peer, list, source] : cases) {
    Request request;
    request.headers = {{"X-Forwarded-For", list}, {"Forwarded", "for=6.6.6.6"}};
    EXPECT_EQ(forwarded_for(request, peer, trusted), source) << list;
  }
  Request request;
  request.headers = {{"x-forwarded-for", "7.7.7.7"}, {"X-Forwarded-For", "8.8.8.8, 10.0.0.2"}};
  EXPECT_EQ(forwarded_for(request, "::1", trusted), "8.8.8.8");
  EXPECT_EQ(forwarded_for({}, "::1", trusted), "::1");
}

TEST(ForwardedFor, ReadsForwardedWhereItIsTheProxies) {
  const Network trusted[] = {*Network::parse("10.0.0.0/8")};
  const std::pair<const char*, const char*> cases[] = {
      {"for=1.2.3.4", "1.2.3.4"},
      {"FOR=9.9.9.9, for=\"[2001:db8::1]:47\";proto=http;by=10.0.0.1", "2001:db8::1"},
      {"for=1.2.3.4, proto=https;for=10.0.0.2", "1.2.3.4"},
      {"for=1.2.3.4, by=\"a,b;for=6.6.6.6\";for=5.6.7.8", "5.6.7.8"},
      {"for=1.2.3.4, for=_hidden", "10.0.0.1"},
      {"for=1.2.3.4, for=unknown, for=10.0.0.2", "10.0.0.2"},
      {"by=1.2.3.4", "10.0.0.1"},
      {"1.2.3.4", "10.0.0.1"},
  };
  for (const auto& [list, source] : cases) {
    Request request;
    request.headers = {{"Forwarded", list}, {"X-Forwarded-For", "6.6.6.6"}};
    EXPECT_EQ(forwarded_for(request, "10.0.0.1", trusted, "Forwarded"), source) << list;
  }
}

}  // namespace
}  // namespace polyio::proto::test
