#include <gtest/gtest.h>
#include <utf8proc.h>
#include <chat/nickname_key.hpp>
#include <polyio/proto/text.hpp>

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
                                   {"\u212b", "\u00e5"}}) {
    EXPECT_EQ(nickname_key(one), nickname_key(other)) << one << " and " << other;
  }
  EXPECT_NE(nickname_key("alice"), nickname_key("\u00e4lice"));
  EXPECT_NE(nickname_key("alice"), nickname_key("alicf"));
  EXPECT_EQ(nickname_key(""), "");
  EXPECT_EQ(nickname_key("('127.0.0.1', 5000)"), "('127.0.0.1', 5000)");
  EXPECT_EQ(nickname_key("\xff"), "\xff");
}

TEST(NicknameKey, NoNameHasWhatItLeavesOut) {
  int refused = 0;
  for (utf8proc_int32_t c = 0x80; c <= 0x10ffff; ++c) {
    if (!utf8proc_codepoint_valid(c) || !utf8proc_get_property(c)->ignorable) continue;
    utf8proc_uint8_t bytes[4];
    const auto length = utf8proc_encode_char(c, bytes);
    const std::string_view text(reinterpret_cast<const char*>(bytes),
                                static_cast<std::size_t>(length));
    EXPECT_FALSE(proto::check_nickname("ad" + std::string(text) + "min")) << std::hex << c;
    ++refused;
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace polyio::chat
