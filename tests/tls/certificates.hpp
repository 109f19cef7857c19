// Certificates for tests, made when they run, so that none can be out of date: an authority, and
// what it signs, as PEM files in a folder that goes with the object.
#pragma once

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <polyio/tls/context.hpp>
#include <string>

namespace polyio::tls_test {

struct Free {
  void operator()(X509* one) const { X509_free(one); }
  void operator()(EVP_PKEY* one) const { EVP_PKEY_free(one); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

struct Made {
  Certificate certificate;
  Key key;
  tls::CertificateFiles files;
};

class Authority {
 public:
  static constexpr long day = 24 * 3600;

  explicit Authority(const std::string& name = "Test Authority")
      : self_(make(name, "", -day, day, nullptr)) {}
  ~Authority() { std::filesystem::remove_all(folder_); }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  // For "DNS:example.org,IP:127.0.0.1", valid from `begin` to `end` seconds from now.
  Made sign(const std::string& name, const std::string& hosts, long begin = -day, long end = day) {
    return make(name, hosts, begin, end, &self_);
  }
  Made signed_by_itself(const std::string& name, const std::string& hosts) {
    return make(name, hosts, -day, day, nullptr);
  }
  const std::string& file() const { return self_.files.chain; }
  const std::filesystem::path& folder() const { return folder_; }
  std::string write(const std::string& name, const std::string& text) const {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  static std::string pem_of(const Made& made) {
    return text_of([&](BIO* bio) { PEM_write_bio_X509(bio, made.certificate.get()); });
  }
  static std::string key_pem_of(const Made& made, const char* password = nullptr) {
    return text_of([&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, made.key.get(), password ? EVP_aes_256_cbc() : nullptr, nullptr,
                               0, nullptr, const_cast<char*>(password));
    });
  }

 private:
  template <class Write>
  static std::string text_of(Write write) {
    BIO* const bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }

  static void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const one = X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str());
    X509_add_ext(certificate, one, -1);
    X509_EXTENSION_free(one);
  }

  Made make(const std::string& name, const std::string& hosts, long begin, long end,
            const Made* by) {
    Made made;
    made.key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    made.certificate.reset(X509_new());
    X509* const x = made.certificate.get();
    const int number = ++made_;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), number);
    X509_gmtime_adj(X509_getm_notBefore(x), begin);
    X509_gmtime_adj(X509_getm_notAfter(x), end);
    X509_set_pubkey(x, made.key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509* const issuer = by ? by->certificate.get() : x;
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    if (hosts.empty()) {
      extend(x, issuer, NID_basic_constraints, "critical,CA:TRUE");
    } else {
      extend(x, issuer, NID_subject_alt_name, hosts);
    }
    X509_sign(x, by ? by->key.get() : made.key.get(), EVP_sha256());
    made.files.chain = write(fmt::format("{}.pem", number), pem_of(made));
    made.files.key = write(fmt::format("{}.key", number), key_pem_of(made));
    return made;
  }

  static std::filesystem::path new_folder() {
    std::string path = std::filesystem::temp_directory_path() / "polyio-tls-XXXXXX";
    if (!::mkdtemp(path.data())) throw std::system_error(errno, std::generic_category(), path);
    return path;
  }

  const std::filesystem::path folder_ = new_folder();
  int made_ = 0;
  Made self_;
};

}  // namespace polyio::tls_test
