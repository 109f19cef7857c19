#include <fmt/format.h>

#include <polyio/proto/proxy.hpp>
#include <polyio/proto/sniff.hpp>
#include <polyio/tls/tls.hpp>

#include "sessions.hpp"

namespace polyio::chat {
namespace {

// noinline, here and below: a client keeps the frame of serve(), which is to be small.

// Waits for the first bytes and decides which protocol they are. Undecided: the connection ended,
// or sent too little for too long.
[[gnu::noinline]] Task<proto::Protocol> find_protocol(Chat& chat, Stream& stream,
                                                      FirstBytes& first) {
  proto::Sniffer sniffer;
  if (!first.held.empty()) {
    std::string before = std::move(first.held);
    const proto::Protocol protocol = sniffer.feed(std::as_bytes(std::span(before)));
    first.held = protocol == proto::Protocol::undecided ? std::string() : std::move(before);
    if (protocol != proto::Protocol::undecided) co_return protocol;
  } else {
    bool heard = false;
    // A TLS client that is only slow must not be taken for a line client.
    const auto& options = chat.options();
    const bool insecure = must_secure(chat, stream);
    const Nanoseconds patience = insecure ? options.request_timeout : options.silence;
    // Twice: where this machine was held up, what came meanwhile is there by now.
    for (const Nanoseconds span : {patience, Nanoseconds(1)}) {
      CancelScope silence(stream.io(), span);
      auto chunk = co_await stream.receive();
      if (!chunk && !silence.timed_out()) co_return proto::Protocol::undecided;
      if (!chunk) continue;
      first.chunk = std::move(*chunk);
      heard = true;
      break;
    }
    if (!heard) co_return proto::Protocol::line;
  }
  CancelScope patience(stream.io(), chat.options().request_timeout);
  for (bool fed = first.chunk.empty(); fed || !first.chunk.empty(); fed = false) {
    const proto::Protocol protocol =
        fed ? proto::Protocol::undecided : sniffer.feed(first.chunk.bytes());
    if (protocol != proto::Protocol::undecided) {
      first.held = sniffer.take_held();
      co_return protocol;
    }
    auto chunk = co_await stream.receive();
    if (!chunk && patience.timed_out()) {  // slowly typed, and may still become a request
      first.held = sniffer.take_held();
      first.chunk = {};
      co_return proto::Protocol::line;
    }
    if (!chunk) co_return proto::Protocol::undecided;
    first.chunk = std::move(*chunk);
  }
  first.held = sniffer.take_held();
  first.ended = true;
  co_return first.held.empty() ? proto::Protocol::undecided : sniffer.finish();
}

Task<> serve_secured(Chat& chat, Stream stream, FirstBytesPtr first);

[[gnu::noinline]] Task<> turn_away(Chat& chat, Stream& stream, std::string_view address,
                                   std::string_view why) {
  chat.log({fmt::format("refused: {}: {}", address, why), LogLevel::warning});
  const std::string error = fmt::format("-- error: {}\n", why);
  (void)co_await stream.send_all(std::string_view(error));
}

// Finds out the protocol and what then serves the connection: nothing, if it is over, or if TLS is
// to come first: then `first` is left. Over HTTP only a page goes on here.
[[gnu::noinline]] Task<Task<Farewell>> begin(Chat& chat, Stream& stream, FirstBytesPtr& first) {
  first->from = chat.lobby_end();
  const proto::Protocol protocol = co_await find_protocol(chat, stream, *first);
  if (protocol == proto::Protocol::tls && chat.options().tls && !stream.layer()) {
    co_return Task<Farewell>();
  }
  FirstBytesPtr bytes = std::move(first);
  if (protocol == proto::Protocol::undecided) co_return Task<Farewell>();
  if (protocol == proto::Protocol::http) {
    auto terms = co_await http_session(chat, stream, std::move(bytes));
    co_return terms ? websocket_session(chat, stream, std::move(terms)) : Task<Farewell>();
  }
  if (must_secure(chat, stream)) {
    co_await turn_away(chat, stream, bytes->address, "this server speaks TLS only");
    co_return Task<Farewell>();
  }
  // Lines; or TLS where there is none, whose first line is no text.
  co_return line_session(chat, stream, std::move(bytes));
}

// Until its first bytes say otherwise, a connection is a line client that listens. `first`: what
// is known of it and has arrived already.
Task<> serve(Chat& chat, Stream stream, FirstBytesPtr first) {
  {
    const Admission admission(chat.flood(), host_of(first->address));
    if (!admission.granted()) {
      co_return co_await turn_away(chat, stream, first->address,
                                   "too many connections from your address");
    }
    Task<Farewell> session = co_await begin(chat, stream, first);
    if (session) {
      const Farewell farewell = co_await session;
      session = {};
      if (farewell) co_await say_farewell(stream.io(), stream, *farewell);
    }
    if (!first) co_return;
  }
  co_await serve_secured(chat, std::move(stream), std::move(first));
}

// The same again over TLS, which may carry any of the protocols.
[[gnu::noinline]] Task<> serve_secured(Chat& chat, Stream stream, FirstBytesPtr first) {
  Io& io = stream.io();
  {
    const std::string bytes = first->held + std::string(first->chunk.text());
    first->held.clear();
    first->chunk = {};
    auto secured =
        co_await tls::accept(stream, *chat.options().tls, bytes, chat.options().request_timeout);
    if (!secured) {
      co_return chat.log(
          {fmt::format("refused: {}: TLS: {}", first->address, secured.error().message()),
           LogLevel::warning});
    }
  }
  const StreamLayer* const layer = stream.layer();
  co_await serve(chat, std::move(stream), std::move(first));
  co_await tls::closed(io, layer);
}

bool may_be_proxy_header(std::string_view bytes) {
  using namespace std::string_view_literals;
  const auto begins = [bytes](std::string_view signature) {
    return signature.starts_with(bytes.substr(0, signature.size()));
  };
  return begins("PROXY ") || begins("\r\n\r\n\0\r\nQUIT\n"sv);
}

// A proxy's own header comes first, if it sends one (PROXY protocol).
Task<> serve_proxied(Chat& chat, Stream stream, FirstBytesPtr first) {
  proto::ProxyHeaderReader reader;
  {
    CancelScope patience(stream.io(), chat.options().request_timeout);
    for (std::string all;;) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      const std::string_view bytes = chunk->text();
      all += bytes;
      if (!may_be_proxy_header(all)) {
        first->held = std::move(all);  // an HTTP proxy's, whose headers say where it comes from
        break;
      }
      const auto step = reader.feed(std::as_bytes(std::span(bytes)));
      if (step.progress == proto::ProxyHeaderReader::Progress::need_more) continue;
      if (step.progress == proto::ProxyHeaderReader::Progress::error) {
        co_return chat.log(
            {fmt::format("refused: {}: PROXY protocol: {}", first->address, reader.error()),
             LogLevel::warning});
      }
      const proto::ProxySource& source = reader.source();
      if (!source.host.empty()) {
        first->address = fmt::format("('{}', {})", source.host, source.port);
      }
      first->held = bytes.substr(step.consumed);
      break;
    }
  }
  co_await serve(chat, std::move(stream), std::move(first));
}

}  // namespace

Task<> serve_connection(Chat& chat, Stream stream) {
  auto first = std::make_unique<FirstBytes>();
  first->address = address_of(stream);
  if (chat.trusts(host_of(first->address))) {
    return serve_proxied(chat, std::move(stream), std::move(first));
  }
  return serve(chat, std::move(stream), std::move(first));
}

}  // namespace polyio::chat
