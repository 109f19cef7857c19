// A WebSocket server for one path, /echo, that sends every message back, text and binary:
// websocket_server [ADDRESS [MODEL [ARCHITECTURE [MAX_MESSAGE]]]]
#include <cstdlib>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/websocket.hpp>
#include <polyio/server/server.hpp>
#include <string>

using namespace polyio;
using namespace std::chrono_literals;
using proto::RequestParser;
using proto::WebSocketEvent;
using proto::WebSocketReader;

std::size_t max_message = 32 << 20;

// The answer to a request, and whether it opens a WebSocket.
struct Answer {
  bool upgraded;
  std::string text;
};

Answer answer(const proto::Request& request) {
  if (request.path != "/echo") {
    return {false, proto::error_response({404, "there is nothing here but /echo"})};
  }
  const auto accept = proto::check_upgrade(request);
  if (!accept) return {false, proto::refusal_response(accept.error())};
  if (!proto::origin_allowed(request)) {
    return {false, proto::error_response({403, "a page of another site"})};
  }
  return {true, proto::upgrade_response(*accept)};
}

// The answer to a message or a control frame.
std::string answer(const WebSocketEvent& event) {
  switch (event.kind) {
    case WebSocketEvent::Kind::message:
      return proto::encode_frame(event.binary ? proto::Opcode::binary : proto::Opcode::text,
                                 event.payload);
    case WebSocketEvent::Kind::ping: return proto::encode_pong(event.payload);
    case WebSocketEvent::Kind::close: return proto::encode_close(event.code);
    case WebSocketEvent::Kind::error: return proto::encode_close(event.code, event.payload);
    case WebSocketEvent::Kind::pong: return {};
  }
  return {};
}

// Until the WebSocket is closed or the request refused; what there is to say then has been sent.
Task<> talk(Io& io, Stream& stream) {
  constexpr std::size_t enough = 256 * 1024;  // to send before more is encoded
  RequestParser parser;
  WebSocketReader reader(WebSocketReader::Role::server, max_message,
                         WebSocketReader::Messages::text_and_binary);
  CancelScope patience(io, 10s);  // for the whole request
  for (bool upgraded = false; !reader.finished();) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    std::span<const std::byte> bytes = chunk->bytes();
    std::string out;
    if (!upgraded) {
      const auto step = parser.feed(bytes);
      if (step.progress == RequestParser::Progress::need_more) continue;
      const Answer said = step.progress == RequestParser::Progress::error
                              ? Answer{false, proto::error_response(parser.error())}
                              : answer(parser.take_request());
      out = said.text;
      upgraded = said.upgraded;
      bytes = bytes.subspan(step.consumed);
      patience.set_deadline(never);
    }
    if (upgraded) reader.feed(bytes);
    for (bool more = upgraded; more || !out.empty();) {
      while (more && out.size() < enough) {
        const auto event = reader.next();
        more = event.has_value();
        if (event) out += answer(*event);
      }
      auto sent = co_await stream.send_all(out);
      if (!sent) co_return;
      out.clear();
    }
    if (!upgraded) co_return;
  }
}

Task<> serve_client(Io& io, Stream stream) {
  co_await talk(io, stream);
  (void)co_await stream.finish();  // the last frame arrives, whatever is still unread
}

int main(int argc, char** argv) {
  if (argc > 4) max_message = std::strtoull(argv[4], nullptr, 10);
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:9001",
                .model = argc > 2 ? argv[2] : "auto",
                .architecture = argc > 3 ? argv[3] : ""},
               serve_client);
}
