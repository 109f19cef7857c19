#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <polyio/tls/error.hpp>
#include <vector>

#include "openssl.hpp"

namespace polyio::tls {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::truncated: return "the connection was cut off: TLS was not ended before it";
      case Errc::not_tls: return "the peer does not speak TLS";
      case Errc::version: return "no TLS version in common: 1.2 and 1.3 are spoken here";
      case Errc::no_common_cipher: return "no TLS cipher in common";
      case Errc::no_common_protocol: return "no application protocol in common (ALPN)";
      case Errc::refused_by_peer: return "the peer refused TLS with an alert";
      case Errc::damaged: return "a TLS record was damaged on its way";
      case Errc::protocol: return "the peer broke the TLS protocol";
      case Errc::wrong_host: return "the certificate is for another host";
      case Errc::expired: return "the certificate has expired";
      case Errc::not_yet_valid: return "the certificate is not valid yet: is the clock right?";
      case Errc::unknown_authority:
        return "the certificate was signed by an authority that is not known here";
      case Errc::certificate_refused: return "the certificate was refused";
    }
    return "unknown TLS error";
  }
};

Errc meaning_of(int reason) noexcept {
  if (reason > SSL_AD_REASON_OFFSET) {
    return reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ? Errc::version : Errc::refused_by_peer;
  }
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH: return Errc::not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW: return Errc::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE: return Errc::no_common_cipher;
    case SSL_R_NO_APPLICATION_PROTOCOL: return Errc::no_common_protocol;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return Errc::damaged;
    default: return Errc::protocol;
  }
}

}  // namespace

const std::error_category& category() noexcept {
  static const Category category;
  return category;
}

std::error_code take_error() noexcept {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) return errno_code(ENOMEM);
  return meaning_of(ERR_GET_REASON(error));
}

std::string take_words() {
  const char* const words = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return words ? words : "OpenSSL gives no reason";
}

std::error_code verify_error(long result) noexcept {
  switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return Errc::wrong_host;
    case X509_V_ERR_CERT_HAS_EXPIRED: return Errc::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return Errc::not_yet_valid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return Errc::unknown_authority;
    case X509_V_ERR_OUT_OF_MEM: return errno_code(ENOMEM);
    default: return Errc::certificate_refused;
  }
}

}  // namespace polyio::tls
