// Pages are sent so that no other page gets at them.
#include <gtest/gtest.h>

#include <polyio/proto/page.hpp>

namespace polyio::proto::test {
namespace {

constexpr PageFile file{"text/html", "<p>page</p>", "\"1\""};

Request asking(std::string method, std::vector<Header> headers = {}) {
  Request request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  return request;
}

TEST(Page, HasItsPolicy) {
  const std::string answer = page_response(asking("GET"), file, "default-src 'none'");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n<p>page</p>"));
  for (const char* const line :
       {"Content-Type: text/html", "Content-Length: 11", "Connection: close",
        "Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin", "ETag: \"1\""}) {
    EXPECT_NE(answer.find(std::string(line) + "\r\n"), answer.npos) << line;
  }
}

TEST(Page, IsNotSentToThoseThatHaveIt) {
  const auto known = page_response(asking("GET", {{"If-None-Match", "\"1\""}}), file, "p");
  EXPECT_TRUE(known.starts_with("HTTP/1.1 304 ")) << known;
  EXPECT_TRUE(known.ends_with("\r\n\r\n"));
  EXPECT_NE(known.find("Content-Length: 11\r\n"), known.npos);
  for (const char* const others : {"\"0\", \"1\"", "W/\"1\"", "*"}) {
    const auto same = page_response(asking("GET", {{"If-None-Match", others}}), file, "p");
    EXPECT_TRUE(same.starts_with("HTTP/1.1 304 ")) << others;
  }
  const auto other = page_response(asking("GET", {{"If-None-Match", "\"2\""}}), file, "p");
  EXPECT_TRUE(other.starts_with("HTTP/1.1 200 "));
}

TEST(Page, HeadGetsTheHeadOnly) {
  const std::string get = page_response(asking("GET"), file, "p");
  EXPECT_EQ(page_response(asking("HEAD"), file, "p") + "<p>page</p>", get);
  EXPECT_TRUE(text_response(asking("HEAD"), 404, "words").ends_with("\r\n\r\n"));
}

TEST(Page, SaysWhetherTheConnectionGoesOn) {
  Request request = asking("GET");
  for (const bool goes_on : {false, true}) {
    request.keep_alive = goes_on;
    const char* const line =
        goes_on ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n";
    for (const std::string& answer :
         {page_response(request, file, "p"), text_response(request, 404, "words"),
          json_response(request, 200, "{}"), refuse_method(request, "POST")}) {
      EXPECT_NE(answer.find(line), answer.npos) << answer;
    }
  }
}

TEST(Page, JsonHasTheHeadersOfTheProgram) {
  const HeaderView cookie{"Set-Cookie", "a=b\r\nX: y"};
  const std::string answer = json_response(asking("GET"), 201, "{}", {&cookie, 1});
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"));
  EXPECT_NE(answer.find("Cache-Control: no-store\r\n"), answer.npos);
  EXPECT_NE(answer.find("\r\nSet-Cookie: a=b  X: y\r\n"), answer.npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n{}"));
}

TEST(Page, BodiesOfAnotherTypeAreRefused) {
  const auto refused = [](std::vector<Header> headers) {
    return refuse_content(asking("POST", std::move(headers)), "application/json");
  };
  EXPECT_EQ(refused({{"Content-Type", "application/json"}}), "");
  EXPECT_EQ(refused({{"Content-Type", "Application/JSON; charset=utf-8"}}), "");
  EXPECT_EQ(refused({{"Content-Type", "application/json"}, {"Content-Encoding", "identity"}}), "");
  EXPECT_NE(refused({}).find("\r\nAccept: application/json\r\n"), std::string::npos);
  EXPECT_TRUE(refused({{"Content-Type", "text/plain"}}).starts_with("HTTP/1.1 415 "));
  EXPECT_TRUE(refused({{"Content-Type", "application/jsonx"}}).starts_with("HTTP/1.1 415 "));
  EXPECT_NE(refused({{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}})
                .find("\r\nAccept-Encoding: identity\r\n"),
            std::string::npos);
}

TEST(Page, OtherMethodsAreRefused) {
  EXPECT_EQ(refuse_method(asking("GET")), "");
  EXPECT_EQ(refuse_method(asking("HEAD")), "");
  EXPECT_TRUE(refuse_method(asking("POST")).starts_with("HTTP/1.1 405 "));
  EXPECT_EQ(refuse_method(asking("POST"), "GET, POST"), "");
  const std::string head = refuse_method(asking("HEAD"), "POST");
  EXPECT_NE(head.find("\r\nAllow: POST\r\n"), head.npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace polyio::proto::test
