#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/exec/offload.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/http.hpp>
#include <polyio/proto/page.hpp>
#include <polyio/proto/proxy.hpp>

#include "api.hpp"
#include "page_assets.hpp"
#include "sessions.hpp"

namespace polyio::chat {
namespace {

using proto::Request;

constexpr std::string_view policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const Asset* find_asset(std::string_view path) {
  for (const Asset& asset : page_assets()) {
    if (asset.path == path) return &asset;
  }
  return nullptr;
}

// A refusal is for the log, too: it may be a proxy whose settings, or a --host, are missing.
void log_refused(const Chat& chat, const Stream& stream, const Request& request,
                 std::string_view why) {
  const auto field = [&](std::string_view name) {
    return escape_for_log(request.header(name).value_or("none"), 100);
  };
  chat.log({fmt::format("refused: {}: {}: Host {}, Origin {}", address_of(stream), why,
                        field("Host"), field("Origin")),
            LogLevel::warning});
}

// Whether messages can be kept now: it writes, off the loop.
Task<std::string> answer_health(Chat& chat, Io& io, const Request& request) {
  if (std::string refused = proto::refuse_method(request); !refused.empty()) co_return refused;
  const auto check = [&chat] { return chat.store().check(); };
  const auto done = co_await offload(io, chat.readers(), check);
  if (!done) co_return proto::text_response(request, 503, "too much is asked at the moment\n");
  if (*done) co_return proto::text_response(request, 200, "ok\n");
  co_return proto::text_response(request, 503,
                                 "messages can't be kept: " + (*done).error().text + "\n");
}

// The answer to anything else but a WebSocket handshake.
std::string answer(Chat& chat, const Stream& stream, const Request& request) {
  if (std::string refused = proto::refuse_method(request); !refused.empty()) return refused;
  if (request.path == "/readyz") return proto::text_response(request, 200, "ready\n");
  if (!proto::host_allowed(request.header("Host").value_or("127.0.0.1"),
                           chat.options().host_names)) {
    log_refused(chat, stream, request, "a name that is no --host");
    return proto::text_response(
        request, 403, "this server is not known by that name: start it with --host NAME\n");
  }
  if (request.path == "/metrics") return proto::text_response(request, 200, chat.metrics());
  if (const Asset* asset = find_asset(request.path)) {
    return proto::page_response(request, {asset->content_type, asset->body, asset->etag}, policy);
  }
  return proto::text_response(request, 404, "not found\n");
}

// Where a request comes from: what a proxy says, or the connection's own.
std::string source_of(const Chat& chat, const Request& request, std::string_view address) {
  const std::string_view peer = host_of(address);
  if (!chat.trusts(peer)) return std::string(address);
  return fmt::format("('{}', 0)", proto::forwarded_for(request, peer, chat.options().proxies));
}

// Whether the page's browser speaks TLS, with this server or with one of the proxies.
bool is_secure(const Chat& chat, const Stream& stream, const Request& request,
               std::string_view address) {
  return stream.layer() ||
         (chat.trusts(host_of(address)) && request.header("X-Forwarded-Proto") == "https");
}

// The answer to what is asked in the clear where that is refused; empty: it is not.
std::string refuse_clear(const Chat& chat, const Stream& stream, const Request& request,
                         std::string_view address) {
  if (!must_secure(chat, stream) || is_secure(chat, stream, request, address)) return {};
  const auto host = request.header("Host");
  const bool known = host && proto::host_allowed(*host, chat.options().host_names);
  if (!known || request.path == "/ws" || !request.target.starts_with('/')) {
    return proto::error_response({403, "this server speaks TLS only"});
  }
  const std::string there = fmt::format("https://{}{}", *host, request.target);
  return proto::response(308, {{"Location", there}, {"Connection", "close"}}, "");
}

// The answer to a WebSocket handshake; `accepted`: a WebSocket follows.
std::string handshake(const Chat& chat, const Stream& stream, const Request& request,
                      bool& accepted, PageTerms& terms) {
  const auto key = proto::check_upgrade(request);
  if (!key) return proto::refusal_response(key.error());
  if (!proto::origin_allowed(request, chat.options().host_names)) {
    log_refused(chat, stream, request, "a page of another site");
    return proto::error_response({403, "this page may not speak for its reader here"});
  }
  accepted = true;
  const std::string extensions = proto::deflate_answer(request);
  terms.deflated = !extensions.empty();
  return proto::upgrade_response(*key, extensions);
}

// False: the client did not take it in time.
Task<bool> send_answer(Chat& chat, Io& io, Stream& stream, std::string_view bytes) {
  CancelScope patience(io, chat.options().answer_timeout);
  auto sent = co_await stream.send_all(bytes);
  co_return sent.has_value();
}

// A browser that finds an earlier connection free keeps the one it has just opened as a spare, and
// a connection without a request would look like a silent line client. So a browser is left none.
bool of_browser(const Request& request) {
  return request.header("User-Agent").value_or("").starts_with("Mozilla/");
}

enum class Next : std::uint8_t { request, websocket, farewell, end };

// A connection's requests, as far as they have come.
struct Requests {
  proto::RequestParser parser{proto::HttpLimits{.max_body = 16'384}};
  std::string bytes;                                                 // not yet parsed
  std::unique_ptr<PageTerms> terms = std::make_unique<PageTerms>();  // if a WebSocket follows
};

// False: the client has gone, or was too slow.
Task<bool> read_request(Chat& chat, Io& io, Stream& stream, Requests& requests) {
  auto& [parser, bytes, terms] = requests;
  if (bytes.empty() && parser.idle()) {
    CancelScope idleness(io, chat.options().keep_alive);
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return false;
    bytes = chunk->text();
  }
  CancelScope patience(io, chat.options().request_timeout);
  for (;;) {
    const auto step = parser.feed(std::as_bytes(std::span(bytes)));
    bytes.erase(0, step.consumed);
    if (step.progress != proto::RequestParser::Progress::need_more) co_return true;
    if (parser.wants_continue()) {
      auto sent = co_await stream.send_all(proto::continue_response);
      if (!sent) co_return false;
    }
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return false;
    bytes.assign(chunk->text());
  }
}

// Reads one request and answers it.
Task<Next> serve_request(Chat& chat, Io& io, Stream& stream, Requests& requests) {
  const bool read = co_await read_request(chat, io, stream, requests);
  if (!read) co_return Next::end;
  std::string reply;
  Next next = Next::farewell;
  if (requests.parser.error().status) {
    reply = proto::error_response(requests.parser.error());
  } else {
    Request request = requests.parser.take_request();
    if (io.draining() || of_browser(request)) request.keep_alive = false;
    reply = refuse_clear(chat, stream, request, requests.terms->address);
    if (!reply.empty()) {
      request.keep_alive = false;
    } else if (request.path == "/ws" && request.method == "GET") {
      bool accepted = false;
      reply = handshake(chat, stream, request, accepted, *requests.terms);
      if (accepted) {
        next = Next::websocket;
        auto account = co_await account_of(chat, io, request);
        requests.terms->account = std::move(account);
        requests.terms->address = source_of(chat, request, requests.terms->address);
      }
    } else if (is_api(request.path)) {
      const bool from_here = proto::origin_allowed(request, chat.options().host_names);
      const std::string source = source_of(chat, request, requests.terms->address);
      const bool secure = is_secure(chat, stream, request, requests.terms->address);
      auto answered =
          co_await answer_api(chat, io, request, std::string(host_of(source)), from_here, secure);
      reply = std::move(answered);
      if (request.keep_alive) next = Next::request;
    } else if (request.path == "/healthz") {
      auto answered = co_await answer_health(chat, io, request);
      reply = std::move(answered);
      if (request.keep_alive) next = Next::request;
    } else {
      reply = answer(chat, stream, request);
      if (request.keep_alive) next = Next::request;
    }
  }
  using std::chrono::system_clock;
  reply = proto::with_date(std::move(reply), system_clock::to_time_t(system_clock::now()));
  const bool sent = co_await send_answer(chat, io, stream, reply);
  if (!sent) co_return Next::farewell;
  if (!requests.bytes.empty()) (void)co_await io.yield();  // pipelined ones are not the only ones
  co_return next;
}

}  // namespace

Task<std::unique_ptr<PageTerms>> http_session(Chat& chat, Stream& stream, FirstBytesPtr first) {
  Io& io = stream.io();
  Requests requests;
  requests.terms->address = first->address;
  requests.bytes = std::move(first->held);
  requests.bytes.append(first->chunk.text());
  first.reset();
  Next next = Next::request;
  while (next == Next::request) {
    const Next then = co_await serve_request(chat, io, stream, requests);
    next = then;
  }
  if (next == Next::farewell) {
    co_await say_farewell(io, stream, deadline_after(io.now(), chat.options().farewell));
  }
  if (next != Next::websocket) co_return nullptr;
  requests.terms->rest = std::move(requests.bytes);
  co_return std::move(requests.terms);
}

}  // namespace polyio::chat
