// What is wrong with certificates and keys is said in words.
#include <gmock/gmock.h>

#include "certificates.hpp"

namespace polyio::tls_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(const std::string& chain, const std::string& key) {
  try {
    tls::ServerContext context(tls::CertificateFiles{chain, key});
    return "";
  } catch (const tls::ContextError& error) {
    return error.what();
  }
}

TEST(ContextTest, MistakesInFiles) {
  Authority ca;
  const auto one = ca.sign("one", "DNS:one"), two = ca.sign("two", "DNS:two");
  const auto& [chain, key] = one.files;
  EXPECT_EQ(refusal(chain, key), "");
  const std::string none = ca.folder() / "none";
  EXPECT_EQ(refusal(none, key),
            "can't read the certificate '" + none + "': No such file or directory");
  EXPECT_EQ(refusal(chain, none), "can't read the key '" + none + "': No such file or directory");
  const auto text = ca.write("text", "hello\n");
  EXPECT_THAT(refusal(text, key), HasSubstr("there is no certificate in '" + text));
  EXPECT_THAT(refusal(key, chain), HasSubstr("there is no certificate in '" + key));
  EXPECT_THAT(refusal(chain, text), HasSubstr("there is no key that can be read in '" + text));
  EXPECT_THAT(refusal(chain, chain), HasSubstr("there is no key that can be read in '" + chain));
  EXPECT_EQ(
      refusal(chain, two.files.key),
      "the key in '" + two.files.key + "' does not belong to the certificate in '" + chain + "'");
  const auto locked = ca.write("locked", Authority::key_pem_of(one, "secret"));
  EXPECT_THAT(refusal(chain, locked), HasSubstr("is encrypted"));
  EXPECT_THAT(refusal(chain, locked), HasSubstr("openssl pkey -in " + locked));
  auto cut = Authority::pem_of(one);
  cut.replace(cut.size() / 2, 8, "@@@@@@@@");
  EXPECT_THAT(refusal(ca.write("cut", cut), key), HasSubstr("certificate 1 in"));
  EXPECT_THAT(refusal(ca.write("late", Authority::pem_of(one) + cut), key),
              HasSubstr("certificate 2 in"));
  auto cut_key = Authority::key_pem_of(one);
  cut_key.replace(cut_key.size() / 2, 8, "@@@@@@@@");
  EXPECT_THAT(refusal(chain, ca.write("cut.key", cut_key)),
              HasSubstr("there is no key that can be read in"));
  const auto swapped = ca.write("swapped", Authority::pem_of(two) + Authority::pem_of(one));
  EXPECT_THAT(refusal(swapped, key), HasSubstr("the server's own, number 2, must be first"));
  EXPECT_THROW(tls::ServerContext(tls::ServerContextOptions{}), tls::ContextError);
  EXPECT_THROW(tls::ServerContext({{one.files}, {""}}), tls::ContextError);
  EXPECT_THROW(tls::ClientContext({.authorities = none}), tls::ContextError);
  EXPECT_THROW(tls::ClientContext({.authorities = text}), tls::ContextError);
}

TEST(ContextTest, WhatIsHardlyMeantIsAWarning) {
  Authority ca;
  const auto good = ca.sign("good", "DNS:good"), old = ca.sign("old", "DNS:old", -9999, -99),
             young = ca.sign("young", "DNS:young", 9999, 99999);
  const auto warned = [](const tls::CertificateFiles& files) {
    return tls::ServerContext(files).warnings();
  };
  EXPECT_THAT(warned(good.files), IsEmpty());
  EXPECT_THAT(warned(old.files),
              ElementsAre(HasSubstr("of old in '" + old.files.chain + "' expired on 2")));
  EXPECT_THAT(warned(young.files), ElementsAre(HasSubstr("is not valid before 2")));
  const auto mixed = ca.write("mixed", Authority::pem_of(good) + Authority::pem_of(old));
  EXPECT_THAT(warned({mixed, good.files.key}),
              ElementsAre(HasSubstr("expired"), HasSubstr("did not sign the one before it")));
  std::filesystem::permissions(good.files.key, std::filesystem::perms(0640));
  EXPECT_THAT(warned(good.files), ElementsAre("others may read the key in '" + good.files.key +
                                              "': chmod 600 " + good.files.key));
}

}  // namespace
}  // namespace polyio::tls_test
