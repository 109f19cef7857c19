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

TEST(Page, HasItsPolicyAndEndsTheConnection) {
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
  const auto other = page_response(asking("GET", {{"If-None-Match", "\"2\""}}), file, "p");
  EXPECT_TRUE(other.starts_with("HTTP/1.1 200 "));
}

TEST(Page, HeadGetsTheHeadOnly) {
  const std::string get = page_response(asking("GET"), file, "p");
  EXPECT_EQ(page_response(asking("HEAD"), file, "p") + "<p>page</p>", get);
  EXPECT_TRUE(text_response(asking("HEAD"), 404, "words").ends_with("\r\n\r\n"));
}

TEST(Page, OtherMethodsAreRefused) {
  EXPECT_EQ(refuse_method(asking("GET")), "");
  EXPECT_EQ(refuse_method(asking("HEAD")), "");
  EXPECT_TRUE(refuse_method(asking("POST")).starts_with("HTTP/1.1 405 "));
}

}  // namespace
}  // namespace polyio::proto::test
