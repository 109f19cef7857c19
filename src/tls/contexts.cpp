#include "contexts.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <mutex>
#include <polyio/base/text.hpp>

namespace polyio::tls {
namespace {

// TLS 1.2 and 1.3, and what keeps an idle connection small.
SslContext make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (!context) throw ContextError("OpenSSL can't be used: " + take_words());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  // A ticket of TLS 1.3 comes after the handshake: a client that closes without having received
  // would reset the connection, and lose what it has sent.
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

// As ALPN has it: each with its length before it.
std::string on_the_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& name : protocols) {
    if (name.empty() || name.size() > 255) {
      throw ContextError(fmt::format("'{}' is no name of a protocol: 1 to 255 bytes", name));
    }
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

const unsigned char* bytes_of(const std::string& text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// --- server ---

using Loaded = ServerContext::Loaded;

int choose_certificate(SSL* ssl, int*, void* of) noexcept {
  const char* const host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!host) return SSL_TLSEXT_ERR_NOACK;
  for (const Loaded::Row& row : static_cast<const Loaded*>(of)->rows) {
    if (X509_check_host(row.certificate.get(), host, 0, 0, nullptr) != 1) continue;
    SSL_set_SSL_CTX(ssl, row.context.get());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* asked, unsigned asked_size, void* of) noexcept {
  const std::string& ours = static_cast<const Loaded*>(of)->protocols;
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, bytes_of(ours), static_cast<unsigned>(ours.size()), asked,
                            asked_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

Loaded::Row load_row(const CertificateFiles& files) {
  const std::vector<Certificate> chain = read_chain(files.chain);
  const Key key = read_key(files.key);
  Loaded::Row row{make_context(TLS_server_method()), {}};
  SSL_CTX* const context = row.context.get();
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (X509_check_private_key(chain[i].get(), key.get()) == 1) {
      if (i == 0) break;
      throw ContextError(fmt::format(
          "the certificates in '{}' are out of order: the server's own, number {}, must be first",
          files.chain, i + 1));
    }
    if (i + 1 < chain.size()) continue;
    throw ContextError(fmt::format("the key in '{}' does not belong to the certificate in '{}'",
                                   files.key, files.chain));
  }
  bool taken = SSL_CTX_use_certificate(context, chain[0].get()) == 1;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    taken = taken && SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  }
  if (!taken || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw ContextError(
        fmt::format("the certificate in '{}' can't be used: {}", files.chain, take_words()));
  }
  ERR_clear_error();
  X509_up_ref(chain[0].get());
  row.certificate.reset(chain[0].get());
  return row;
}

std::shared_ptr<const Loaded> load(const ServerContextOptions& options) {
  if (options.certificates.empty()) throw ContextError("a server needs a certificate and its key");
  auto loaded = std::make_shared<Loaded>();
  loaded->protocols = on_the_wire(options.protocols);
  for (const CertificateFiles& files : options.certificates) {
    loaded->rows.push_back(load_row(files));
    SSL_CTX* const context = loaded->rows.back().context.get();
    if (!loaded->protocols.empty()) {
      SSL_CTX_set_alpn_select_cb(context, choose_protocol, loaded.get());
    }
    for (std::string& line : doubts(read_chain(files.chain), files.chain, files.key)) {
      loaded->warnings.push_back(std::move(line));
    }
  }
  SSL_CTX* const first = loaded->rows.front().context.get();
  // The macros that are made for these have casts of C.
  SSL_CTX_callback_ctrl(first, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(choose_certificate));
  SSL_CTX_ctrl(first, SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, loaded.get());
  return loaded;
}

}  // namespace

struct ServerContext::State {
  explicit State(ServerContextOptions given) : options(std::move(given)), loaded(load(options)) {}
  const ServerContextOptions options;
  mutable std::mutex mutex;  // for what follows
  std::shared_ptr<const Loaded> loaded;
};

ServerContext::ServerContext(ServerContextOptions options)
    : state_(std::make_shared<State>(std::move(options))) {}

ServerContext::ServerContext(CertificateFiles files)
    : ServerContext(ServerContextOptions{.certificates = {std::move(files)}}) {}

std::shared_ptr<const Loaded> ServerContext::loaded() const {
  const std::lock_guard lock(state_->mutex);
  return state_->loaded;
}

std::expected<void, std::string> ServerContext::reload() try {
  auto loaded = load(state_->options);
  const std::lock_guard lock(state_->mutex);
  state_->loaded.swap(loaded);
  return {};
} catch (const std::exception& error) {
  return std::unexpected(error.what());
}

std::vector<std::string> ServerContext::warnings() const { return loaded()->warnings; }

std::unique_ptr<Layer> server_layer(std::shared_ptr<const Loaded> loaded, std::string_view first) {
  SSL_CTX& context = *loaded->rows.front().context;
  auto layer = std::make_unique<Layer>(context, first, std::move(loaded));
  SSL_set_accept_state(layer->ssl());
  return layer;
}

// --- client ---

namespace {

// What a client's handshake is about, for the callback that OpenSSL calls for each doubt.
struct Expected {
  std::string host;
  std::string* why;
};

std::string in_words(const Expected& expected, X509& certificate, long result) {
  const std::string host = escape_for_log(expected.host);
  const std::string whose = names_of(certificate);
  const auto error = verify_error(result);
  if (error == Errc::wrong_host) return fmt::format("the certificate of {} is for {}", host, whose);
  if (error == Errc::expired) {
    return fmt::format("the certificate of {} expired on {}", whose,
                       date_of(*X509_get0_notAfter(&certificate)));
  }
  if (error == Errc::not_yet_valid) {
    return fmt::format("the certificate of {} is not valid before {}: is the clock right?", whose,
                       date_of(*X509_get0_notBefore(&certificate)));
  }
  if (result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT) {
    return fmt::format("the certificate of {} is signed by itself, not by an authority", whose);
  }
  if (error == Errc::unknown_authority) {
    return fmt::format("the certificate of {} was signed by an authority that is not known here",
                       whose);
  }
  return fmt::format("the certificate of {} was refused: {}", whose,
                     X509_verify_cert_error_string(result));
}

int note_doubt(int good, X509_STORE_CTX* verifying) noexcept try {
  if (good) return good;
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verifying, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto& expected = *static_cast<const Expected*>(SSL_get_app_data(ssl));
  X509* const certificate = X509_STORE_CTX_get_current_cert(verifying);
  if (expected.why && certificate) {
    *expected.why = in_words(expected, *certificate, X509_STORE_CTX_get_error(verifying));
  }
  return 0;
} catch (const std::bad_alloc&) {
  return 0;
}

}  // namespace

ClientContext::ClientContext(ClientContextOptions options) {
  auto state = std::make_shared<State>();
  state->context = make_context(TLS_client_method());
  state->protocols = on_the_wire(options.protocols);
  state->trust_anybody = options.trust_anybody;
  SSL_CTX* const context = state->context.get();
  if (!options.authorities.empty()) {
    for (const Certificate& authority : read_chain(options.authorities)) {
      if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1) {
        throw ContextError(fmt::format("an authority in '{}' can't be used: {}",
                                       options.authorities, take_words()));
      }
    }
  } else if (!options.trust_anybody && SSL_CTX_set_default_verify_paths(context) != 1) {
    throw ContextError("the system's authorities can't be read (package ca-certificates): " +
                       take_words());
  }
  if (!state->protocols.empty()) {
    SSL_CTX_set_alpn_protos(context, bytes_of(state->protocols),
                            static_cast<unsigned>(state->protocols.size()));
  }
  ERR_clear_error();
  state_ = std::move(state);
}

std::unique_ptr<Layer> client_layer(const ClientContext::State& state, const std::string& host,
                                    std::string* why) {
  auto expected = std::make_shared<Expected>(host, why);
  auto layer = std::make_unique<Layer>(*state.context, std::string_view(), expected);
  SSL* const ssl = layer->ssl();
  SSL_set_app_data(ssl, expected.get());
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host.c_str()) != 1) throw std::bad_alloc();
  }
  if (!state.trust_anybody) SSL_set_verify(ssl, SSL_VERIFY_PEER, note_doubt);
  SSL_set_connect_state(ssl);
  return layer;
}

}  // namespace polyio::tls
