// OpenSSL's objects with owners, its errors as error codes, and certificates in words.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <polyio/tls/error.hpp>
#include <string>
#include <vector>

namespace polyio::tls {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    free(object);
  }
};
template <class T, auto free>
using Owned = std::unique_ptr<T, Freed<free>>;

using Ssl = Owned<SSL, SSL_free>;
using SslContext = Owned<SSL_CTX, SSL_CTX_free>;
using Certificate = Owned<X509, X509_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Bio = Owned<BIO, BIO_free_all>;

// What the latest error of this thread means here. Its queue is empty then.
std::error_code take_error() noexcept;
// The same in OpenSSL's words, for mistakes in files.
std::string take_words();
// What X509_V_ERR_… means here.
std::error_code verify_error(long result) noexcept;

// "CN = example.org, O = Example"; fit for a log.
std::string subject_of(const X509& certificate);
// "example.org, www.example.org": whom the certificate is for, three at most; fit for a log.
std::string names_of(X509& certificate);
// "2026-01-31 12:00 UTC".
std::string date_of(const ASN1_TIME& time);

// The certificates in a PEM file, at least one, and the key in one. Throw ContextError.
std::vector<Certificate> read_chain(const std::string& file);
Key read_key(const std::string& file);
// What is allowed but hardly meant: dates, the order of the chain, whom the key's file lets in.
std::vector<std::string> doubts(const std::vector<Certificate>& chain, const std::string& file,
                                const std::string& key_file);

}  // namespace polyio::tls
