#include <gtest/gtest.h>
#include <polyio/base/text.hpp>
#include <polyio/proto/text.hpp>

namespace polyio::proto {
namespace {

using namespace std::string_view_literals;

std::string verdict(std::string_view text) {
  const auto checked = check_text(text);
  return checked ? "ok" : checked.error().message();
}

TEST(CheckText, NamesWhatItRefuses) {
  const std::pair<std::string_view, const char*> cases[] = {
      {"", "ok"},
      {"plain text with a\ttab", "ok"},
      {"gr\u00fc\u00dfe \u4f60\u597d \U0001f600", "ok"},
      {" \u00a0\u200b\ufeff ", "ok"},
      {"abc\x1b[2J", "control character U+001B at byte 3"},
      {"\0"sv, "control character U+0000 at byte 0"},
      {"a\r", "control character U+000D at byte 1"},
      {"a\n", "control character U+000A at byte 1"},
      {"\x1f", "control character U+001F at byte 0"},
      {"\x7f", "control character U+007F at byte 0"},
      {"\u00e4\u0080", "control character U+0080 at byte 2"},
      {"\u009f", "control character U+009F at byte 0"},
      {"\u2028", "line separator U+2028 at byte 0"},
      {"\u2029", "line separator U+2029 at byte 0"},
      {"\u061c", "direction control U+061C at byte 0"},
      {"\u200e", "direction control U+200E at byte 0"},
      {"\u200f", "direction control U+200F at byte 0"},
      {"\u202a", "direction control U+202A at byte 0"},
      {"ab\u202e", "direction control U+202E at byte 2"},
      {"\u2066", "direction control U+2066 at byte 0"},
      {"\u2069", "direction control U+2069 at byte 0"},
      {"\u00a0\u061b\u061d\u200d\u2010\u2027\u202f\u2065\u206a", "ok"},
      {"\x80", "invalid UTF-8"},
      {"\xc0\xaf", "invalid UTF-8"},
      {"\xed\xa0\x80", "invalid UTF-8"},
      {"\xf4\x90\x80\x80", "invalid UTF-8"},
      {"\xe2\x82", "invalid UTF-8"},
      {"\x1b\xff", "invalid UTF-8"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(verdict(text), expected) << escape_for_log(text);
}

// U+0000 to U+10FFFF one by one against the definition, written as a list.
TEST(CheckText, RefusesExactlyTheListedCodePoints) {
  const auto listed = [](char32_t c) {
    return (c < 0x20 && c != 9) || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
           c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
  };
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string text;
    const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0 | c >> 6), put(0x80 | (c & 63));
    } else if (c < 0x10000) {
      put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    } else {
      put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)),
          put(0x80 | (c & 63));
    }
    const auto checked = check_text(text);
    ASSERT_EQ(!checked, listed(c)) << std::hex << static_cast<unsigned>(c);
    if (!checked) {
      ASSERT_EQ(checked.error().code_point, c);
    }
  }
}

std::string nickname_verdict(std::string_view nickname) {
  const auto checked = check_nickname(nickname);
  return checked ? "ok" : checked.error();
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

TEST(CheckNickname, SaysWhatToChange) {
  const std::string too_long = "choose a shorter nickname: at most 32 characters and 64 bytes";
  const std::string brackets = "choose a nickname without any of []()',\"";
  const std::string ends = "remove the space at the start or end of the nickname";
  const std::pair<std::string, std::string> cases[] = {
      {"ann", "ok"},
      {"Ann B. C", "ok"},
      {"\u4f60\u597d", "ok"},
      {std::string(32, 'x'), "ok"},
      {std::string(33, 'x'), too_long},
      {repeated("\u00e4", 32), "ok"},
      {repeated("\u00e4", 33), too_long},
      {repeated("\U0001f600", 16), "ok"},
      {repeated("\U0001f600", 17), too_long},
      {"", "choose a nickname of at least 1 character"},
      {" ann", ends},
      {"ann ", ends},
      {" ", ends},
      {"a  b", "use single spaces inside the nickname"},
      {"a\tb", "choose a nickname without a tab"},
      {"a\x1b", "choose a nickname without control character U+001B at byte 1"},
      {"a\u202e", "choose a nickname without direction control U+202E at byte 1"},
      {"\xff", "choose a nickname without invalid UTF-8"},
      {"a\u00a0b", "choose a nickname without the invisible character U+00A0"},
      {"a\u200b", "choose a nickname without the invisible character U+200B"},
      {"\u3164", "choose a nickname without the invisible character U+3164"},
      {"ad\ufff9min", "choose a nickname without the invisible character U+FFF9"},
      {"admin\U0001d173", "choose a nickname without the invisible character U+1D173"},
      {"('127.0.0.1', 5000)", brackets},
  };
  for (const auto& [nickname, expected] : cases) {
    EXPECT_EQ(nickname_verdict(nickname), expected) << escape_for_log(nickname);
  }
  for (const char c : std::string_view("[]()',\"")) {
    EXPECT_EQ(nickname_verdict(std::string("a") + c), brackets) << c;
  }
}

TEST(EscapeForLog, LeavesNothingHostile) {
  const std::pair<std::string_view, const char*> cases[] = {
      {"", ""},
      {"plain gr\u00fc\u00dfe", "plain gr\u00fc\u00dfe"},
      {"a\r\nfake entry\x1b[0m", "a\\x0D\\x0Afake entry\\x1B[0m"},
      {"a\\x0A", "a\\x5Cx0A"},
      {"a\tb", "a\\x09b"},
      {"\u202eabc",
       "\\xE2\\x80\\xAE"
       "abc"},
      {"\u0085", "\\xC2\\x85"},
      {"\0"sv, "\\x00"},
      {"ok \xff \u00e4", "ok \\xFF \\xC3\\xA4"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(escape_for_log(bytes), expected);
}

TEST(EscapeForLog, CutsAtACodePoint) {
  EXPECT_EQ(escape_for_log("abcd", 4), "abcd");
  EXPECT_EQ(escape_for_log("abcde", 4), "abcd...");
  EXPECT_EQ(escape_for_log("ab\u4f60", 4), "ab...");
  EXPECT_EQ(escape_for_log("ab\U0001f600", 5), "ab...");
  EXPECT_EQ(escape_for_log("ab\u4f60x", 5), "ab\u4f60...");
  EXPECT_EQ(escape_for_log("\x80\x80\x80\x80\x80\x80", 4), "\\x80...");
  EXPECT_EQ(escape_for_log("abc", 0), "...");
}

}  // namespace
}  // namespace polyio::proto
