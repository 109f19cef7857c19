#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/http.hpp>
#include <polyio/proto/page.hpp>

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
  chat.log(fmt::format("refused: {}: {}: Host {}, Origin {}", address_of(stream), why,
                       field("Host"), field("Origin")));
}

// The answer to anything but a WebSocket handshake.
std::string answer(const Chat& chat, const Stream& stream, const Request& request) {
  if (request.path == "/healthz" && request.method != "POST") {
    return proto::text_response(request, 200, "ok\n");
  }
  if (std::string refused = proto::refuse_method(request); !refused.empty()) return refused;
  if (!proto::host_allowed(request.header("Host").value_or("127.0.0.1"),
                           chat.options().host_names)) {
    log_refused(chat, stream, request, "a name that is no --host");
    return proto::text_response(
        request, 403, "this server is not known by that name: start it with --host NAME\n");
  }
  if (const Asset* asset = find_asset(request.path)) {
    return proto::page_response(request, {asset->content_type, asset->body, asset->etag}, policy);
  }
  return proto::text_response(request, 404, "not found\n");
}

// Why the handshake is refused; empty: `accept` has the answer.
std::string refusal(const Chat& chat, const Stream& stream, const Request& request,
                    std::string& accept) {
  const auto key = proto::check_upgrade(request);
  if (!key) return proto::refusal_response(key.error());
  if (!proto::origin_allowed(request, chat.options().host_names)) {
    log_refused(chat, stream, request, "a page of another site");
    return proto::error_response({403, "this page may not speak for its reader here"});
  }
  accept = proto::upgrade_response(*key);
  return {};
}

// False: the client did not take it in time.
Task<bool> send_answer(Chat& chat, Io& io, Stream& stream, std::string_view bytes) {
  CancelScope patience(io, chat.options().answer_timeout);
  auto sent = co_await stream.send_all(bytes);
  co_return sent.has_value();
}

// Answers one request, or runs the WebSocket that it asks for. `rest` followed the request. Until
// when to wait for the client's end.
Task<Deadline> answer_request(Chat& chat, Io& io, Stream& stream, const Request& request,
                              std::string rest) {
  if (request.path != "/ws" || request.method != "GET") {
    const std::string reply = answer(chat, stream, request);
    (void)co_await send_answer(chat, io, stream, reply);
    co_return deadline_after(io.now(), chat.options().farewell);
  }
  std::string accept;
  const std::string refused = refusal(chat, stream, request, accept);
  const bool sent = co_await send_answer(chat, io, stream, refused.empty() ? accept : refused);
  if (!sent || !refused.empty()) co_return deadline_after(io.now(), chat.options().farewell);
  co_return co_await websocket_session(chat, io, stream, std::move(rest));
}

}  // namespace

// One request per connection: a connection that a browser keeps open without a request would look
// like a silent line client the next time the page is loaded.
Task<> http_session(Chat& chat, Io& io, Stream& stream, FirstBytesPtr first) {
  proto::RequestParser parser;
  std::string pending = std::move(first->held);
  pending.append(first->chunk.text());
  first.reset();
  {
    CancelScope patience(io, chat.options().request_timeout);
    for (;;) {
      const auto step = parser.feed(std::as_bytes(std::span(pending)));
      pending.erase(0, step.consumed);
      if (step.progress != proto::RequestParser::Progress::need_more) break;
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      pending.assign(chunk->text());
    }
  }
  Deadline end = never;
  if (parser.error().status) {
    const std::string reply = proto::error_response(parser.error());
    (void)co_await send_answer(chat, io, stream, reply);
    end = deadline_after(io.now(), chat.options().farewell);
  } else {
    const Request request = parser.take_request();
    const Deadline until = co_await answer_request(chat, io, stream, request, std::move(pending));
    end = until;
  }
  co_await say_farewell(io, stream, end);
}

}  // namespace polyio::chat
