#include <gtest/gtest.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <chat/store/nickname_key.hpp>
#include <polyio/proto/text.hpp>

#include <thread>
#include <vector>

namespace polyio::chat {
namespace {

TEST(NicknameKey, IsTheSameForNamesThatLookAlike) {
  for (const auto& [one, other] : {std::pair{"alice", "ALICE"},
                                   {"caf\u00e9", "cafe\u0301"},
                                   {"\u00c9va", "\u00e9va"},
                                   {"\u0418\u0432\u0430\u043d", "\u0438\u0432\u0430\u043d"},
                                   {"\uff21\uff22", "ab"},
                                   {"\u00df", "ss"},
                                   {"\ufb01", "fi"},
                                   {"\u212b", "\u00e5"},
                                   // one script's letters for another's
                                   {"\u0430lice", "alice"},
                                   {"\u0410lice", "alice"},
                                   {"\u0441\u043e\u0440\u0430", "copa"},
                                   {"\u03bf\u03bd\u03bf", "ovo"},
                                   {"\u0561", "\u0561"},
                                   // and one letter for another
                                   {"aIice", "alice"},
                                   {"a1ice", "alice"},
                                   {"lan", "Ian"},
                                   {"b0b", "bob"},
                                   {"B0B", "bob"},
                                   {"rnike", "mike"},
                                   {"\U0001d41a\U0001d427\U0001d427", "ann"}}) {
    EXPECT_EQ(nickname_key(one), nickname_key(other)) << one << " and " << other;
  }
  const std::vector<std::string> different = {"alice",
                                              "\u00e4lice",
                                              "alicf",
                                              "alic",
                                              "bob",
                                              "",
                                              "\u0438\u0432\u0430\u043d",
                                              "vova",
                                              "nova",
                                              "yuri",
                                              "uuri",
                                              "\u5c71",
                                              "\u5c71\u7530",
                                              "\U0001f431",
                                              "\U0001f436",
                                              "a b",
                                              "ab"};
  for (const std::string& one : different) {
    for (const std::string& other : different) {
      EXPECT_EQ(nickname_key(one) == nickname_key(other), one == other) << one << " and " << other;
    }
  }
  EXPECT_EQ(nickname_key(""), "");
  EXPECT_EQ(nickname_key("\xff"), "\ufffd");
  EXPECT_EQ(nickname_key(std::string(64, 'x')), std::string(64, 'x'));
  // Where it grows most.
  EXPECT_GT(nickname_key("\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa").size(), 200u);
}

TEST(NicknameKey, SaysThatTwoAreDifferentInManyThreads) {
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int n = 0; n < 200; ++n) {
        const std::string name = "n" + std::to_string(i) + "x" + std::to_string(n);
        EXPECT_NE(nickname_key(name), nickname_key(name + "y"));
        EXPECT_TRUE(check_name(name));
      }
    });
  }
}

TEST(CheckName, LetsNamesOfTheWorldThrough) {
  for (const auto* name : {"alice",
                           "ALICE",
                           "Ian",
                           "J\u00fcrgen",
                           "caf\u00e9",
                           "a_b-c.d 7",
                           "#lobby",
                           "x2",
                           "\u0418\u0432\u0430\u043d",
                           "\u0418\u0412\u0410\u041d",
                           "\u0441\u043e\u0440\u0430",
                           "\u039d\u03af\u03ba\u03bf\u03c2",
                           "\u5c71\u7530",
                           "\u5c71\u7530 taro",
                           "\u3084\u307e\u3060 \u30e4\u30de\u30c0 \u5c71 Taro",
                           "\ud64d\uae38\ub3d9 Hong",
                           "\u738b\u5c0f\u660e Wang",
                           "\u0645\u062d\u0645\u062f",
                           "\u05d3\u05d5\u05d3",
                           "\u0930\u093e\u092e",
                           "\u0e2a\u0e21",
                           "\U0001f431",
                           "cat\U0001f431",
                           "a\u00df",
                           "1",
                           ""}) {
    const auto checked = check_name(name);
    EXPECT_TRUE(checked) << name << ": " << checked.error();
  }
}

TEST(CheckName, SaysWhatToChange) {
  const std::string script = "choose a name whose letters are of one script";
  const std::string digits = "choose a name whose digits are of one script";
  const std::string marks = "choose a name without invisible or doubled marks";
  const std::string address = "choose a name that does not look like an address";
  const std::string capitals = "write the name in small letters: its capitals look like Latin ones";
  const std::pair<const char*, const std::string&> cases[] = {
      {"\u0430lice", script},
      {"alic\u0435", script},
      {"\u0391lice", script},
      {"\u03bdova", script},
      {"\u0418\u03b2", script},
      {"a1\u0662", digits},
      {"1\u0967", digits},
      {"a\u200bb", marks},
      {"a\u00a0b", marks},
      {"e\u0301\u0301", marks},
      {"i\u0307", marks},
      {"\uff08'127.0.0.1', 5000\uff09", address},
      {"('127.0.0.1', 5000)", address},
      {"\u2768\u2019a\u2019", address},
      {"\u0412\u041e\u0412", capitals},
      {"\u0391\u039d\u039d\u0391", capitals},
  };
  for (const auto& [name, sentence] : cases) {
    const auto checked = check_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error(), sentence) << name;
  }
}

TEST(NicknameKey, NoNameHasWhatItLeavesOut) {
  int refused = 0;
  for (UChar32 c = 0x80; c <= 0x10ffff; ++c) {
    if (U_IS_SURROGATE(c) || !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) continue;
    char bytes[4];
    std::size_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, c);
    const std::string_view text(bytes, length);
    EXPECT_FALSE(proto::check_nickname("ad" + std::string(text) + "min")) << std::hex << c;
    ++refused;
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace polyio::chat
