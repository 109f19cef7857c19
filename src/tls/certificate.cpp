#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <filesystem>
#include <polyio/base/text.hpp>
#include <polyio/tls/context.hpp>

#include "openssl.hpp"

namespace polyio::tls {
namespace {

Bio open_file(const std::string& file, const char* what) {
  errno = 0;
  Bio bio(BIO_new_file(file.c_str(), "r"));
  ERR_clear_error();
  if (!bio) {
    throw ContextError(fmt::format("can't read the {} '{}': {}", what, file,
                                   std::generic_category().message(errno)));
  }
  return bio;
}

// Called when a key has a password: notes that, and does not ask for it.
int refuse_password(char*, int, int, void* asked) noexcept {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::string text_of(const ASN1_STRING& string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, &string);
  if (size < 0) return "?";
  const std::string text =
      escape_for_log({reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)});
  OPENSSL_free(utf8);
  return text;
}

}  // namespace

std::string subject_of(const X509& certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio) throw std::bad_alloc();
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0,
                     XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return escape_for_log({data, static_cast<std::size_t>(size)});
}

std::string address_of(const ASN1_OCTET_STRING& bytes) {
  const unsigned char* const b = bytes.data;
  if (bytes.length == 4) return fmt::format("{}.{}.{}.{}", b[0], b[1], b[2], b[3]);
  std::string text;
  for (int i = 0; i + 1 < bytes.length; i += 2) {
    text += fmt::format("{}{:x}", i > 0 ? ":" : "", b[i] * 256u + b[i + 1]);
  }
  return text;
}

std::string names_of(X509& certificate) {
  constexpr int most = 3;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  int count = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME& name = *sk_GENERAL_NAME_value(names.get(), i);
    if (name.type != GEN_DNS && name.type != GEN_IPADD) continue;
    if (++count > most) return text + ", ...";
    if (count > 1) text += ", ";
    text += name.type == GEN_DNS ? text_of(*name.d.dNSName) : address_of(*name.d.iPAddress);
  }
  return text.empty() ? subject_of(certificate) : text;
}

std::string date_of(const ASN1_TIME& time) {
  std::tm t{};
  if (!ASN1_TIME_to_tm(&time, &t)) return "an unknown date";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min);
}

std::vector<Certificate> read_chain(const std::string& file) {
  const Bio bio = open_file(file, "certificate");
  std::vector<Certificate> chain;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    chain.push_back(std::move(next));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string words = take_words();
  if (chain.empty() && at_end) {
    throw ContextError(
        fmt::format("there is no certificate in '{}': it must be a PEM file, with a line "
                    "-----BEGIN CERTIFICATE-----",
                    file));
  }
  if (!at_end) {
    throw ContextError(
        fmt::format("certificate {} in '{}' is damaged: {}", chain.size() + 1, file, words));
  }
  return chain;
}

Key read_key(const std::string& file) {
  const Bio bio = open_file(file, "key");
  bool encrypted = false;
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_password, &encrypted));
  const std::string words = take_words();
  if (key) return key;
  if (encrypted) {
    throw ContextError(fmt::format(
        "the key in '{0}' is encrypted, and nothing here asks for passwords: decrypt it with "
        "'openssl pkey -in {0} -out NEW', into a file that only its owner can read",
        file));
  }
  throw ContextError(
      fmt::format("there is no key that can be read in '{}': it must be a PEM file, with a line "
                  "-----BEGIN PRIVATE KEY-----; OpenSSL says '{}'",
                  file, words));
}

std::vector<std::string> doubts(const std::vector<Certificate>& chain, const std::string& file,
                                const std::string& key_file) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    X509* const one = chain[i].get();
    const std::string name = fmt::format("the certificate of {} in '{}'", names_of(*one), file);
    if (X509_cmp_current_time(X509_get0_notAfter(one)) < 0) {
      lines.push_back(fmt::format("{} expired on {}: clients will refuse it", name,
                                  date_of(*X509_get0_notAfter(one))));
    }
    if (X509_cmp_current_time(X509_get0_notBefore(one)) > 0) {
      lines.push_back(
          fmt::format("{} is not valid before {}", name, date_of(*X509_get0_notBefore(one))));
    }
    if (i > 0 && X509_check_issued(one, chain[i - 1].get()) != X509_V_OK) {
      lines.push_back(fmt::format(
          "{} did not sign the one before it: each certificate must be followed by the one that "
          "signed it",
          name));
    }
  }
  std::error_code unknown;
  const auto mode = std::filesystem::status(key_file, unknown).permissions();
  using std::filesystem::perms;
  if (!unknown && (mode & (perms::group_read | perms::others_read)) != perms::none) {
    lines.push_back(fmt::format("others may read the key in '{0}': chmod 600 {0}", key_file));
  }
  return lines;
}

}  // namespace polyio::tls
