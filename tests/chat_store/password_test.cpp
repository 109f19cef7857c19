#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/password.hpp>
#include <set>

namespace polyio::chat {
namespace {

using testing::MatchesRegex;
using testing::StartsWith;

TEST(Password, IsVerifiedByItsHash) {
  const std::string hash = hash_password("correct horse");
  EXPECT_THAT(hash, StartsWith("$argon2id$v=19$m=65536,t=2,p=1$"));
  EXPECT_TRUE(verify_password(hash, "correct horse"));
  EXPECT_FALSE(verify_password(hash, "correct hors"));
  EXPECT_FALSE(verify_password(hash, ""));
  EXPECT_NE(hash, hash_password("correct horse")) << "a salt of its own";
  EXPECT_FALSE(is_outdated(hash));
  EXPECT_TRUE(is_password_hash(hash));
}

TEST(Password, MayBeAnyBytesUpToItsLength) {
  using namespace std::string_literals;
  const std::string hash = hash_password("a\0b"s);
  EXPECT_TRUE(verify_password(hash, "a\0b"s));
  EXPECT_FALSE(verify_password(hash, "a\0c"s));
  EXPECT_FALSE(verify_password(hash, std::string(longest_password + 1, 'x')));
}

TEST(Password, HashesThatAreNoneVerifyNothing) {
  for (const std::string hash : {"", "x", "$argon2id$", "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$"}) {
    EXPECT_FALSE(verify_password(hash, "")) << hash;
    EXPECT_FALSE(is_password_hash(hash)) << hash;
    EXPECT_FALSE(is_outdated(hash)) << hash;
  }
  EXPECT_FALSE(verify_password(std::string(100'000, '$'), ""));
  EXPECT_FALSE(is_password_hash(std::string(100'000, '$')));
}

TEST(Password, MadeWithOtherParametersIsOutdated) {
  const std::string hash =
      "$argon2id$v=19$m=8,t=1,p=1$YkB6W1VcCV3Hj92uxZG9Rw$1aiKKF3Vkf"
      "1XHBtb2jo2EPSiAXMsLNCjVRdJMsMqdrQ";
  EXPECT_TRUE(verify_password(hash, "pw"));
  EXPECT_TRUE(is_outdated(hash));
  EXPECT_TRUE(is_password_hash(hash));
}

TEST(Token, IsRandomAndFitForACookie) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) tokens.insert(new_token());
  EXPECT_EQ(tokens.size(), 100U);
  EXPECT_THAT(*tokens.begin(), MatchesRegex("[A-Za-z0-9_-]+"));
  EXPECT_EQ(tokens.begin()->size(), 43U);
}

TEST(Token, IsStoredAsItsHash) {
  // b2sum -l 256
  EXPECT_EQ(hash_token("abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  EXPECT_NE(hash_token("abd"), hash_token("abc"));
}

}  // namespace
}  // namespace polyio::chat
