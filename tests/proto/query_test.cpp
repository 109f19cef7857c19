#include <gtest/gtest.h>
#include <polyio/proto/query.hpp>

namespace polyio::proto {
namespace {

TEST(Query, ItsParametersAreDecoded) {
  using namespace std::string_literals;
  struct Case {
    std::string_view target;
    std::optional<std::string> q;
  };
  const Case cases[] = {
      {"/s?q=a", "a"},
      {"/s?q=a+b%20c%2B%26%3d", "a b c+&="},
      {"/s?x=1&q=%C3%A4&q=2", "\xc3\xa4"},
      {"/s?q=a=b", "a=b"},
      {"/s?q=a?b", "a?b"},
      {"/s?q=%00", "\0"s},
      {"/s?q=%25zz", "%zz"},
      {"/s?%71=1", "1"},
      {"/s?&&q", ""},
      {"/s?q=", ""},
      {"http://h/s?q=1", "1"},
      {"/s", std::nullopt},
      {"/s?", std::nullopt},
      {"/s?Q=1&qq=2&=3", std::nullopt},
      {"/q=1", std::nullopt},
  };
  for (const auto& [target, q] : cases) {
    const auto value = query_value(target, "q");
    ASSERT_TRUE(value) << target;
    EXPECT_EQ(*value, q) << target;
  }
  for (const auto* target : {"/?q=%", "/?q=%4", "/?q=%g0", "/?q=%0g", "/?q=a%%", "/?%x=1&q=2"}) {
    const auto value = query_value(target, "q");
    ASSERT_FALSE(value) << target;
    EXPECT_EQ(value.error().status, 400);
  }
}

TEST(Cookies, AreFoundByTheirNames) {
  Request request;
  request.headers = {{"Cookie", "a=1; B=x=y;  c=; d"}, {"cookie", "e=\"q\"; a=2"}};
  EXPECT_EQ(cookie(request, "a"), "1");
  EXPECT_EQ(cookie(request, "B"), "x=y");
  EXPECT_EQ(cookie(request, "c"), "");
  EXPECT_EQ(cookie(request, "e"), "\"q\"");
  for (const auto* name : {"b", "d", "x", "", "Cookie"}) {
    EXPECT_EQ(cookie(request, name), std::nullopt) << name;
  }
  EXPECT_EQ(cookie({}, "a"), std::nullopt);
}

}  // namespace
}  // namespace polyio::proto
