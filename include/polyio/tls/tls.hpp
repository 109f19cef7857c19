// TLS on a Stream (RFC 5246, RFC 8446; OpenSSL over memory): after accept() or connect() the same
// Stream sends and receives encrypted, so every handler runs over it unchanged, under every model.
// What differs from a plain stream: an end of the connection without close_notify is an error,
// tls::Errc::truncated, and not the end of file; after a send that failed or was cancelled nothing
// more can be sent (EPIPE), because a record was cut. Renegotiation is refused. Of the stream's Io;
// docs/tls.md.
#pragma once

#include <chrono>
#include <optional>
#include <polyio/io/stream.hpp>
#include <polyio/tls/context.hpp>
#include <polyio/tls/error.hpp>
#include <string>
#include <string_view>
#include <type_traits>

namespace polyio::tls {

inline constexpr Nanoseconds handshake_patience = std::chrono::seconds(10);

// `auto secured = co_await tls::accept(stream, context);` - Result<>: the server's side of the
// handshake. `first` are bytes that were received from the stream already; they stay valid until
// the end. Handshakes of one Io take turns, a step each, so a flood of them does not hold up the
// others. Errors, after which the stream is good for nothing but to be closed: those of
// tls::category(); timed_out after `patience`; those of the stream and the scope; ENOMEM.
Task<Result<>> accept(Stream& stream, const ServerContext& context, std::string_view first = {},
                      Nanoseconds patience = handshake_patience);

// `auto secured = co_await tls::connect(stream, context, "example.org");` - Result<>: the client's
// side, with a server that must prove to be `host`, a name or a numeric address. `why`, unless it
// is nullptr, gets what is wrong with the certificate in words: whose it is, when it expired. Names
// in it are fit for a terminal. Sets TCP_NODELAY.
Task<Result<>> connect(Stream& stream, const ClientContext& context, std::string host,
                       Nanoseconds patience = handshake_patience, std::string* why = nullptr);

// What was agreed on. Strings from the peer may have any bytes.
struct Info {
  std::string version;   // "TLSv1.3"
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  std::string protocol;  // ALPN; empty: none
  std::string host;      // that the client asked for (SNI); empty: none
  std::string peer;      // the subject of the peer's certificate, "CN = example.org"; empty: none
};
// nullopt: the stream carries no TLS.
std::optional<Info> info(const Stream& stream);

// `co_await tls::closed(io, layer);`, after a stream was closed that had that layer
// (Stream::layer()): until it has ended for the peer, too, as what the socket would not take is
// sent.
Task<> closed(Io& io, const StreamLayer* layer);

// A handler that does `handler`'s work over TLS: `serve({...}, tls::over(context, upper))`. Clients
// whose handshake fails are hung up on.
template <class Handler>
auto over(ServerContext context, Handler handler) {
  return [context = std::move(context), handler = std::move(handler)](Io& io,
                                                                      Stream stream) -> Task<> {
    auto secured = co_await accept(stream, context);
    if (!secured) co_return;
    const StreamLayer* const layer = stream.layer();
    co_await handler(io, std::move(stream));
    co_await closed(io, layer);  // the Io may end with this
  };
}

}  // namespace polyio::tls
