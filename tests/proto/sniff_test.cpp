#include <polyio/proto/sniff.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

TEST(IsHttpRequestLine, KnowsTheShape) {
  for (const std::string_view line : {"GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\n",
                                      "get / http/1.0", "X-! * HTTP/9.9", "PRI * HTTP/2.0\r\n",
                                      "FOO http://a/b?c HTTP/1.1", "GET \xc3\xa4 HTTP/1.1"}) {
    EXPECT_TRUE(is_http_request_line(line)) << line;
  }
  for (const std::string_view line :
       {"", "\r\n", "GET", "GET /", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP/1.1 ",
        " GET / HTTP/1.1", "GET  HTTP/1.1", "GET / x HTTP/1.1", "GET / HTTP/11",
        "GET / HTTP/1.1\r\r\n", "G(T / HTTP/1.1", "GET / HTTP/a.1", "GET / HTTP/1.11",
        "GET\t/\tHTTP/1.1", "GET /\x01 HTTP/1.1", "GET / HTTPS/1.1",
        "hello, all of you HTTP/1.1"}) {
    EXPECT_FALSE(is_http_request_line(line)) << line;
  }
}

struct Case {
  std::string input;
  const char* protocol;
  const char* when;
};

TEST(Sniffer, DecidesAlikeHoweverTheBytesAreCut) {
  const std::string filler(8192, 'x');
  const std::string fits = "GET /" + filler.substr(0, 8192 - 14) + " HTTP/1.1";
  ASSERT_EQ(fits.size(), 8192u);
  const Case cases[] = {
      {"", "line", "at end"},
      {"h", "line", "at end"},  // HEAD
      {"hello\n", "line", "early"},
      {"x", "line", "early"},
      {"\n", "line", "early"},
      {"\r\n", "line", "early"},
      {" GET / HTTP/1.1\r\n", "line", "early"},
      {"GET", "line", "at end"},
      {"GET ", "line", "at end"},
      {"GET\n", "line", "early"},
      {"GETTING / HTTP/1.1\r\n", "line", "early"},
      {"GET / HTTP/1.1", "line", "at end"},
      {"GET / HTTP/1.1\n", "http", "early"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http", "early"},
      {"get /x http/1.1\r\n", "http", "early"},
      {"PoSt * HTTP/3.7\r\n", "http", "early"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http", "early"},
      {"CONNECT a:1 HTTP/1.1\r\n", "http", "early"},
      {"OPTIONS * HTTP/1.1\r\n", "http", "early"},
      {"get the milk\n", "line", "early"},
      {"GET / HTTP/1.1\r\r\n", "line", "early"},
      {"put it there, please HTTP/1.1\n", "line", "early"},
      {"CUSTOM / HTTP/1.1\r\n", "line", "early"},
      {"\x16", "tls", "early"},
      {"\x16\x03\x01\x02\x00GET / HTTP/1.1\r\n", "tls", "early"},
      {" \x16\x03\x01", "line", "early"},
      {"G\x16", "line", "early"},
      {"\x80\x81\x82", "line", "early"},
      {fits + "\r\n", "http", "early"},
      {fits + "\n", "http", "early"},
      {fits, "line", "at end"},
      {fits + "\r", "line", "at end"},
      {fits + "x\r\n", "http", "early"},
      {fits + "\rx", "http", "early"},
      {"GET /" + filler, "http", "early"},
      {"GET /" + filler + "\n", "http", "early"},
      {"GET http://" + filler, "http", "early"},
      {"get HTTP" + filler, "http", "early"},
      {"get some" + filler, "line", "early"},
      {"get some" + filler + "\n", "line", "early"},
      {"GET  /" + filler, "line", "early"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.input.substr(0, 40));
    EXPECT_EQ(sniff_log({c.input}), (Log{c.protocol, c.when, c.input}));
    expect_same_however_cut(c.input, sniff_log);
  }
}

TEST(Sniffer, KeepsOnlyWhatWasUndecided) {
  Sniffer sniffer;
  const auto feed = [&](std::string_view text) {
    return sniffer.feed(std::as_bytes(std::span(text.data(), text.size())));
  };
  EXPECT_EQ(feed("GE"), Protocol::undecided);
  EXPECT_EQ(feed("T / HTTP/1.1"), Protocol::undecided);
  EXPECT_EQ(feed("\r\nHost: a\r\n"), Protocol::http);
  EXPECT_EQ(feed("hello\n"), Protocol::http);
  EXPECT_EQ(sniffer.take_held(), "GET / HTTP/1.1");
  EXPECT_EQ(sniffer.take_held(), "");
  EXPECT_EQ(sniffer.finish(), Protocol::http);
}

}  // namespace
}  // namespace polyio::proto::test
