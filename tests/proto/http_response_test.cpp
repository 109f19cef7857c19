#include <gtest/gtest.h>
#include <polyio/proto/http.hpp>

namespace polyio::proto {
namespace {

TEST(Response, IsWrittenWhole) {
  EXPECT_EQ(response(200, {{"Content-Type", "text/plain"}}, "hi\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nhi\n");
  EXPECT_EQ(response(200, {}, "hi", Body::left_out),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(response(204, {}, ""), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(response(304, {}, "hi"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(response(799, {}, ""), "HTTP/1.1 799 Unknown\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(error_response({414, "the request line is too long"}),
            "HTTP/1.1 414 URI Too Long\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Connection: close\r\nContent-Length: 47\r\n\r\n"
            "414 URI Too Long: the request line is too long\n");
}

// The example of RFC 9110, section 5.6.7.
TEST(Response, HasADate) {
  EXPECT_EQ(with_date(response(204, {}, ""), 784111777),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
}

TEST(Response, AValueCannotStartAnotherHeader) {
  using namespace std::string_view_literals;
  EXPECT_EQ(response(200, {{"X", "a\r\nSet-Cookie: b\r\n\r\n<html>\0\x7f\t"sv}}, ""),
            "HTTP/1.1 200 OK\r\nX: a  Set-Cookie: b    <html>  \t\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseDeathTest, NamesComeFromTheProgramAndMustBeGood) {
  EXPECT_DEATH(response(200, {{"X\r\nY", "a"}}, ""), "is_token");
  EXPECT_DEATH(response(200, {{"content-length", "3"}}, ""), "framing_header");
  EXPECT_DEATH(response(204, {}, "body"), "bodiless");
}

}  // namespace
}  // namespace polyio::proto
