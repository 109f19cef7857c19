#include <polyio/base/text.hpp>
#include <polyio/proto/http.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

struct Case {
  std::string input;
  Log log;
};

void check(const Case& c, HttpLimits limits = {}) {
  SCOPED_TRACE(escape_for_log(c.input));
  const auto run = [&](const Chunks& chunks) { return http_log(chunks, limits); };
  EXPECT_EQ(run({c.input}), c.log);
  expect_same_however_cut(c.input, run);
}

std::string get(std::string_view lines) {
  return fmt::format("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines);
}
const std::string got = "GET / path=/ 1.1 keep=true body= [Host=a]";

TEST(RequestParser, ReadsValidRequests) {
  const Case cases[] = {
      {"", {}},
      {get(""), {got}},
      {get("") + get(""), {got, got}},
      {"\r\n" + get("") + "\r\n" + get(""), {got, got}},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", {"GET / path=/ 1.1 keep=true body= [Host=]"}},
      {"GET /a/b?c=d&e HTTP/1.1\r\nhOST: \t x.y:80 \t \r\nX:\r\nY:a  b\r\n\r\n",
       {"GET /a/b?c=d&e path=/a/b 1.1 keep=true body= [hOST=x.y:80] [X=] [Y=a  b]"}},
      {"GET /% HTTP/1.0\r\n\r\n", {"GET /% path=/% 1.0 keep=false body="}},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       {"GET / path=/ 1.0 keep=true body= [Connection=keep-alive]"}},
      {get("Connection: close\r\n"),
       {"GET / path=/ 1.1 keep=false body= [Host=a] [Connection=close]"}},
      {"GET http://h:1?q HTTP/1.1\r\nHost: h\r\n\r\n",
       {"GET http://h:1?q path=/ 1.1 keep=true body= [Host=h:1]"}},
      {"GET HTTPS://h/p/?q HTTP/1.1\r\nHost: h\r\n\r\n",
       {"GET HTTPS://h/p/?q path=/p/ 1.1 keep=true body= [Host=h]"}},
      {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {"OPTIONS * path=* 1.1 keep=true body= [Host=h]"}},
      {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
       {"CONNECT h:1 path=h:1 1.1 keep=true body= [Host=h]"}},
      {get("Content-Length: 0\r\n"),
       {"GET / path=/ 1.1 keep=true body= [Host=a] [Content-Length=0]"}},
      {"GET http://h:1/ HTTP/1.1\r\nHost: other\r\n\r\n",
       {"GET http://h:1/ path=/ 1.1 keep=true body= [Host=h:1]"}},
      {"GET / HTTP/1.9\r\nHost: a\r\n\r\n", {got}},
      {"GET / HTTP/1.0\r\nExpect: what\r\n\r\n",
       {"GET / path=/ 1.0 keep=false body= [Expect=what]"}},
      {get("Upgrade: websocket\r\nConnection: Upgrade\r\n") + get(""),
       {"GET / path=/ 1.1 keep=true body= [Host=a] [Upgrade=websocket] [Connection=Upgrade]", got}},
      {get("X: \xc3\xa4\r\n"), {"GET / path=/ 1.1 keep=true body= [Host=a] [X=\xc3\xa4]"}},
      {"GET / HTTP/1.1\r\nHost: a\r\n", {"unfinished"}},
      {"G", {"unfinished"}},
  };
  for (const Case& c : cases) check(c);
}

struct Bad {
  std::string input;
  int status;
};

void check_refused(const Bad& bad, HttpLimits limits = {}) {
  SCOPED_TRACE(escape_for_log(bad.input));
  const auto run = [&](const Chunks& chunks) { return http_log(chunks, limits); };
  const Log log = run({bad.input});
  ASSERT_EQ(log.size(), 1u);
  EXPECT_TRUE(log[0].starts_with(fmt::format("error {} ", bad.status))) << log[0];
  expect_same_however_cut(bad.input, run);
}

TEST(RequestParser, RefusesBadRequestLines) {
  const std::string rest = "\r\nHost: a\r\n\r\n";
  const Bad cases[] = {
      {"hello" + rest, 400},
      {"GET /" + rest, 400},
      {"GET  / HTTP/1.1" + rest, 400},
      {"GET / HTTP/1.1 " + rest, 400},
      {" GET / HTTP/1.1" + rest, 400},
      {"GET / x HTTP/1.1" + rest, 400},
      {"GET /\tHTTP/1.1" + rest, 400},
      {"GET / http/1.1" + rest, 400},
      {"GET /#f HTTP/1.1" + rest, 400},
      {"GET /\xc3\xa4 HTTP/1.1" + rest, 400},
      {"GET x HTTP/1.1" + rest, 400},
      {"GET * HTTP/1.1" + rest, 400},
      {"GET http:// HTTP/1.1" + rest, 400},
      {"GET http:///x HTTP/1.1" + rest, 400},
      {"GET ftp://h/ HTTP/1.1" + rest, 400},
      {"get / HTTP/1.1" + rest, 501},
      {"FROBNICATE / HTTP/1.1" + rest, 501},
      {"GET / HTTP/2.1" + rest, 505},
      {"GET http://u@h/ HTTP/1.1" + rest, 400},
      {"GET / HTTP/0.9" + rest, 505},
      {"GET / HTTP/3.0" + rest, 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"SOURCE / ICE/1.0" + rest, 400},
      {"\r\n\r\nGET / HTTP/1.1" + rest, 400},
  };
  for (const Bad& bad : cases) check_refused(bad);
}

TEST(RequestParser, RefusesWhatCouldBeReadInTwoWays) {
  using namespace std::string_literals;
  const Bad cases[] = {
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400},
      {get("X: a\rb\r\n"), 400},
      {get("X: a\r\r\n"), 400},
      {get("X: a\0b\r\n"s), 400},
      {get("X: a\x01\r\n"), 400},
      {get("X: a\x7f\r\n"), 400},
      {get("X\0: a\r\n"s), 400},
      {get("X: a\r\n b\r\n"), 400},
      {get("X: a\r\n\tb\r\n"), 400},
      {get(" X: a\r\n"), 400},
      {get("X : a\r\n"), 400},
      {get("X\t: a\r\n"), 400},
      {get("X Y: a\r\n"), 400},
      {get(": a\r\n"), 400},
      {get("no colon\r\n"), 400},
      {get("X(: a\r\n"), 400},
      {get("\xc3\xa4: a\r\n"), 400},
      {get("Host: a\r\n"), 400},
      {get("host: b\r\n"), 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: a\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {get("Content-Length: 1\r\nContent-Length: 1\r\n") + "x", 400},
      {get("Content-Length: 1\r\ncontent-length: 2\r\n") + "xx", 400},
      {get("Content-Length: 0\r\nContent-Length: 0\r\n"), 400},
      {get("Content-Length: 1, 1\r\n") + "x", 400},
      {get("Content-Length: +1\r\n") + "x", 400},
      {get("Content-Length: -1\r\n") + "x", 400},
      {get("Content-Length: 0x1\r\n") + "x", 400},
      {get("Content-Length: 1 1\r\n") + "x", 400},
      {get("Content-Length:\r\n"), 400},
      {get("Content-Length: 99999999999999999999999\r\n"), 400},
      {get("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + "0\r\n\r\n", 400},
      {get("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
      {get("Content-Length: 3\r\nTransfer-Encoding: identity\r\n") + "abc", 400},
      {get("Transfer-Encoding: identity\r\nContent-Length: 3\r\n") + "abc", 400},
      {get("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", 501},
      {get("Transfer-Encoding: identity\r\n"), 501},
      {get("transfer-encoding: xchunked\r\n") + "0\r\n\r\n", 501},
      {get("Transfer-Encoding: chunked;a=b\r\n") + "0\r\n\r\n", 501},
      {get("Transfer-Encoding:\r\n"), 400},
      {get("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 501},
      {get("Transfer-Encoding: chunked, gzip\r\n") + "0\r\n\r\n", 400},
      {get("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") + "0\r\n\r\n", 400},
      {get("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n", 400},
      {get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {get("Expect: a miracle\r\n"), 417},
      {get("Expect: 100-continue, more\r\n"), 417},
  };
  for (const Bad& bad : cases) check_refused(bad, {.max_body = 100});
}

TEST(RequestParser, SaysWhy) {
  const Case cases[] = {
      {"\n", {"error 400 an LF without a CR"}},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", {"error 400 an LF without a CR"}},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", {"error 400 a CR without an LF"}},
      {get("X: a\r\r\n"), {"error 400 a CR without an LF"}},
      {get("X: a\x01\r\n"), {"error 400 a control character in the head"}},
      {get("X: a\r\n b\r\n"), {"error 400 a folded header line"}},
      {"\r\n\r\n" + get(""), {"error 400 more than one empty line before the request"}},
      {get("nocolon\r\n"), {"error 400 a header line is malformed"}},
      {get("X : a\r\n"), {"error 400 a header line is malformed"}},
      {get("Host: b\r\n"), {"error 400 more than one Host"}},
      {"GET / HTTP/1.1\r\n\r\n", {"error 400 Host is missing"}},
      {get("Content-Length: x\r\n"), {"error 400 Content-Length is not a number"}},
      {get("Content-Length: 1\r\nContent-Length: 1\r\n"),
       {"error 400 more than one Content-Length, or one with Transfer-Encoding"}},
      {get("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
       {"error 400 more than one Content-Length, or one with Transfer-Encoding"}},
      {get("Transfer-Encoding: chunked, chunked\r\n"),
       {"error 400 chunked must be the last Transfer-Encoding, once"}},
      {"hello\r\n\r\n", {"error 400 the request line is malformed"}},
      {"get / HTTP/1.1\r\n\r\n", {"error 501 this method is not known here"}},
      {"PRI * HTTP/2.0\r\n\r\n", {"error 505 only HTTP/1.1 and HTTP/1.0 are spoken here"}},
  };
  for (const Case& c : cases) check(c);
}

TEST(RequestParser, LimitsAreExact) {
  const auto line = [](std::size_t length) {
    return "GET /" + std::string(length - 14, 'x') + " HTTP/1.1\r\n";
  };
  EXPECT_EQ(http_log({line(8192) + "Host: a\r\n\r\n"})[0].substr(0, 6), "GET /x");
  check_refused({line(8193) + "Host: a\r\n\r\n", 414});
  check_refused({"GET /" + std::string(9000, 'x'), 414});

  // "Host: a\r\n" is 9 bytes, "X: \r\n" 5.
  const auto headers = [](std::size_t total) {
    return get("X: " + std::string(total - 14, 'y') + "\r\n");
  };
  EXPECT_TRUE(http_log({headers(16384)})[0].starts_with("GET / "));
  check_refused({headers(16385), 431});
  check_refused({"GET / HTTP/1.1\r\nX: " + std::string(20000, 'y'), 431});

  const auto fields = [](int count) {
    std::string lines;
    while (--count > 0) lines += "X: y\r\n";
    return get(lines);
  };
  EXPECT_TRUE(http_log({fields(100)})[0].starts_with("GET / "));
  check_refused({fields(101), 431});
}

TEST(RequestParser, TheBodyEndsWhereItsLengthSays) {
  const auto post = [](std::string_view length, std::string_view body) {
    return fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", length, body);
  };
  const auto posted = [](std::string_view length, std::string_view body) {
    return fmt::format("POST / path=/ 1.1 keep=true body={} [Host=a] [Content-Length={}]", body,
                       length);
  };
  const HttpLimits limits{.max_body = 8};
  check({post("8", "12345678") + get(""), {posted("8", "12345678"), got}}, limits);
  check({post("08", "1\r\n\r\n678"), {posted("08", "1\r\n\r\n678")}}, limits);
  check({post("8", "1234567"), {"unfinished"}}, limits);
  check_refused({post("9", "123456789"), 413}, limits);
  check_refused({post("18446744073709551615", "1"), 413}, limits);
  check_refused({post("1", "1"), 413});
}

std::string chunked(std::string_view chunks) {
  return get("Transfer-Encoding: chunked\r\n") + std::string(chunks);
}

TEST(RequestParser, ReadsChunkedBodies) {
  const HttpLimits limits{.max_headers = 64, .max_fields = 3, .max_body = 8};
  const auto read = [](std::string_view body) {
    return fmt::format("GET / path=/ 1.1 keep=true body={} [Host=a] [Transfer-Encoding=chunked]",
                       body);
  };
  for (const auto& [chunks, body] : {std::pair{"0\r\n\r\n", ""},
                                     {"3\r\nabc\r\n0\r\n\r\n", "abc"},
                                     {"3\r\nabc\r\n005\r\n\r\nfgh\r\n00\r\n\r\n", "abc\r\nfgh"},
                                     {"1;a\r\nx\r\n0 \t;b=\"\t; 1\"\r\nA: b\r\nC:\r\n\r\n", "x"}}) {
    check({chunked(chunks) + get(""), {read(body), got}}, limits);
  }
  check({get("TRANSFER-encoding: Chunked\r\n") + "A\r\n0123456789\r\n0\r\n\r\n",
         {"GET / path=/ 1.1 keep=true body=0123456789 [Host=a] [TRANSFER-encoding=Chunked]"}},
        {.max_body = 10});
  for (const char* const begun : {"", "3", "3\r\nabc", "0\r\n", "0\r\nA: b\r\n", "0\r\n\r"}) {
    check({chunked(begun), {"unfinished"}}, limits);
  }
}

TEST(RequestParser, RefusesBadChunks) {
  const HttpLimits limits{.max_headers = 64, .max_fields = 3, .max_body = 8};
  for (const char* const bad : {"\r\n",
                                "g\r\n",
                                "-1\r\n",
                                "0x1\r\nx\r\n",
                                " 1\r\nx\r\n",
                                "1\nx\r\n",
                                "1 \r\nx\r\n",
                                "1\rx",
                                "1 x\r\n",
                                "1;\x01\r\nx",
                                "1;a\n",
                                "1\r\nxy\r\n",
                                "1\r\nx\n0\r\n\r\n",
                                "1\r\nx\rx",
                                "00000000000000000\r\n",
                                "0\r\n\n",
                                "0\r\nno colon\r\n\r\n",
                                "0\r\n A: b\r\n\r\n",
                                "0\r\nA: b\n",
                                "0\r\nA : b\r\n\r\n",
                                "0\r\n\rx"}) {
    check_refused({chunked(bad), 400}, limits);
  }
  for (const char* const large :
       {"9\r\n", "8\r\n12345678\r\n1\r\n", "ffffffffffffffff\r\n", "f000000000000000"}) {
    check_refused({chunked(large), 413}, limits);
  }
  check_refused({chunked("1\r\n"), 413});
  const std::string filler(65, 'x');
  check_refused({chunked("1;" + filler), 431}, limits);
  check_refused({chunked("0\r\nA: " + filler), 431}, limits);
  check_refused({chunked("0\r\nA:\r\nA:\r\nA:\r\nA:\r\n"), 431}, limits);
  std::string many;
  for (int i = 0; i < 7; ++i) many += "1;0123456789\r\nx\r\n";
  check_refused({chunked(many), 431}, limits);
}

TEST(RequestParser, SaysThatTheBodyIsWaitedFor) {
  const auto feed = [](RequestParser& parser, std::string_view text) {
    (void)parser.feed(std::as_bytes(std::span(text)));
    return parser.wants_continue();
  };
  const std::string head = get("Expect: 100-Continue\r\nContent-Length: 1\r\n");
  for (const std::string& asks :
       {head, get("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n")}) {
    RequestParser parser({.max_body = 1});
    EXPECT_FALSE(feed(parser, std::string_view(asks).substr(0, asks.size() - 1)));
    EXPECT_TRUE(feed(parser, "\n"));
    EXPECT_FALSE(parser.wants_continue());  // once
  }
  RequestParser early({.max_body = 2});
  const std::string asks_for_two = get("Expect: 100-continue\r\nContent-Length: 2\r\n");
  EXPECT_FALSE(feed(early, asks_for_two + "x"));
  RequestParser late({.max_body = 2});
  (void)late.feed(std::as_bytes(std::span(std::string_view(asks_for_two))));
  EXPECT_FALSE(feed(late, "x"));
  RequestParser none({.max_body = 1});
  EXPECT_FALSE(feed(none, get("Content-Length: 1\r\n")));
  RequestParser empty;
  EXPECT_FALSE(feed(empty, get("Expect: 100-continue\r\n")));
  RequestParser old({.max_body = 1});
  EXPECT_FALSE(feed(old, "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
}

TEST(RequestParser, HoldsNothingBetweenRequests) {
  RequestParser parser;
  EXPECT_TRUE(parser.idle());
  const std::string two = get("") + "GET ";
  const auto bytes = std::as_bytes(std::span(two));
  const auto step = parser.feed(bytes);
  ASSERT_EQ(step.progress, RequestParser::Progress::complete);
  EXPECT_EQ(step.consumed, get("").size());
  EXPECT_FALSE(parser.idle());
  EXPECT_EQ(parser.take_request().path, "/");
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.feed(bytes.subspan(step.consumed)).progress, RequestParser::Progress::need_more);
  EXPECT_FALSE(parser.idle());
}

TEST(RequestParser, AnErrorStays) {
  RequestParser parser;
  EXPECT_EQ(parser.feed(std::as_bytes(std::span("\n", 1))).progress,
            RequestParser::Progress::error);
  const std::string good = get("");
  const auto step = parser.feed(std::as_bytes(std::span(good)));
  EXPECT_EQ(step.progress, RequestParser::Progress::error);
  EXPECT_EQ(step.consumed, 0u);
  EXPECT_EQ(parser.error().status, 400);
}

TEST(Request, LooksHeadersUpWithoutCase) {
  Request request;
  request.headers = {{"A", "1"}, {"a", "x, Two ,three"}, {"B", ""}};
  EXPECT_EQ(request.header("a"), "1");
  EXPECT_EQ(request.header("b"), "");
  EXPECT_EQ(request.header("c"), std::nullopt);
  EXPECT_EQ(request.count("A"), 2u);
  EXPECT_EQ(request.count("c"), 0u);
  EXPECT_EQ(request.joined("a"), "1, x, Two ,three");
  EXPECT_EQ(request.joined("c"), "");
  for (const auto* token : {"1", "X", "two", "THREE"})
    EXPECT_TRUE(request.lists("A", token)) << token;
  for (const auto* token : {"thre", "x,", "wo", ""})
    EXPECT_FALSE(request.lists("A", token)) << token;
}

}  // namespace
}  // namespace polyio::proto::test
