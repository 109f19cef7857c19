// What goes wrong in TLS that no errno names: std::error_codes of tls::category(), whose messages
// say what to do. Thread-safe.
#pragma once

#include <polyio/base/result.hpp>

namespace polyio::tls {

enum class Errc {
  truncated = 1,        // the connection ended without close_notify: bytes may be missing
  not_tls,              // what came is no TLS
  version,              // no version in common: TLS 1.2 and 1.3 are spoken here
  no_common_cipher,     // none, or no certificate for any
  no_common_protocol,   // ALPN (RFC 7301)
  refused_by_peer,      // the peer sent a fatal alert
  damaged,              // a record was changed on its way
  protocol,             // anything else that is against the protocol
  wrong_host,           // the certificate is for another host
  expired,              // the certificate, or one that vouches for it
  not_yet_valid,        // the same
  unknown_authority,    // signed by an authority that is not known here, or by itself
  certificate_refused,  // for any other reason
};

const std::error_category& category() noexcept;
inline std::error_code make_error_code(Errc e) noexcept {
  return {static_cast<int>(e), category()};
}

}  // namespace polyio::tls

template <>
struct std::is_error_code_enum<polyio::tls::Errc> : std::true_type {};
