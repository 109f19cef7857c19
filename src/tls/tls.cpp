
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <polyio/io/per_io.hpp>
#include <polyio/tls/tls.hpp>

#include "contexts.hpp"
#include "layer.hpp"

namespace polyio::tls {
namespace {

// Handshakes of one Io take turns: a step each, with its public-key work, and then the other jobs.
Mutex& gate_of(Io& io) {
  static PerIo<Mutex> gates([](Io&) { return std::make_unique<Mutex>(); });
  return gates.of(io);
}

struct Closing {
  static constexpr std::size_t most = 1024;
  std::vector<std::unique_ptr<StreamLayer>> layers;
};
Closing& closing_of(Io& io) {
  static PerIo<Closing> all([](Io&) { return std::make_unique<Closing>(); });
  return all.of(io);
}

std::error_code failure_of(SSL* ssl) noexcept {
  if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    ERR_clear_error();
    return verify_error(SSL_get_verify_result(ssl));
  }
  return take_error();
}

Task<Result<>> secure(Stream& stream, std::unique_ptr<Layer> layer, Nanoseconds patience) {
  CancelScope limit(stream.io(), patience);
  auto done = co_await layer->handshake(stream.bare());
  if (done) stream.carry(std::move(layer));
  co_return done;
}

// Memory that can't be had is an error of the handshake.
template <class MakeLayer>
Task<Result<>> secure_with(Stream& stream, MakeLayer make, Nanoseconds patience) try {
  co_return co_await secure(stream, make(), patience);
} catch (const std::bad_alloc&) {
  co_return fail(ENOMEM);
}

}  // namespace

bool keep_closing(Io& io, std::unique_ptr<StreamLayer> layer) noexcept try {
  auto& layers = closing_of(io).layers;
  if (layers.size() == Closing::most) layers.erase(layers.begin());
  layers.push_back(std::move(layer));
  return true;
} catch (const std::bad_alloc&) {
  return false;
}
void forget_closing(Io& io, const StreamLayer& layer) noexcept {
  std::erase_if(closing_of(io).layers, [&](const auto& one) { return one.get() == &layer; });
}

Task<> closed(Io& io, const StreamLayer* layer) {
  const auto still = [&] {
    const auto& layers = closing_of(io).layers;
    return std::ranges::any_of(layers, [=](const auto& one) { return one.get() == layer; });
  };
  while (still()) {
    auto slept = co_await io.sleep(std::chrono::milliseconds(10));
    if (!slept) co_return;
  }
}

// True: that was the last one.
Task<Result<bool>> Layer::step(Io& io) {
  auto held = co_await gate_of(io).hold(io);
  if (!held) co_return fail(held.error());
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl());
  Result<bool> result = done == 1;
  if (done != 1 && SSL_get_error(ssl(), done) != SSL_ERROR_WANT_READ) {
    result = fail(failure_ ? failure_ : failure_of(ssl()));
  }
  (void)co_await io.yield();
  co_return result;
}

Task<Result<>> Layer::handshake(BareSocket socket) {
  for (;;) {
    auto done = co_await step(socket.io());
    if (!out_.empty()) {  // also when it failed: an alert
      auto sent = co_await send_all(socket, {});
      if (done && !sent) co_return sent;
    }
    if (!done) co_return fail(done.error());
    if (*done) co_return Result<>();
    auto more = co_await fetch(socket);
    if (!more) co_return fail(more.error());
    if (!*more || failure_) co_return fail(Errc::truncated);
  }
}

Task<Result<>> accept(Stream& stream, const ServerContext& context, std::string_view first,
                      Nanoseconds patience) {
  auto make = [loaded = context.loaded(), first] { return server_layer(loaded, first); };
  co_return co_await secure_with(stream, std::move(make), patience);
}

Task<Result<>> connect(Stream& stream, const ClientContext& context, std::string host,
                       Nanoseconds patience, std::string* why) {
  // Nothing answers the handshake's last message, and a short one behind it would wait for the
  // delayed acknowledgement: 40 ms. Where the stream is no TCP socket, it needs none.
  (void)stream.set_option(os::SocketOption::no_delay, 1);
  auto make = [&context, &host, why] { return client_layer(context.state(), host, why); };
  co_return co_await secure_with(stream, make, patience);
}

std::optional<Info> info(const Stream& stream) {
  const auto* const layer = dynamic_cast<const Layer*>(stream.layer());
  if (!layer) return std::nullopt;
  SSL* const ssl = layer->ssl();
  Info info;
  info.version = SSL_get_version(ssl);
  info.cipher = SSL_get_cipher_name(ssl);
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  if (size > 0) info.protocol.assign(reinterpret_cast<const char*>(protocol), size);
  if (const char* const host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) info.host = host;
  if (const X509* const peer = SSL_get0_peer_certificate(ssl)) info.peer = subject_of(*peer);
  return info;
}

}  // namespace polyio::tls
