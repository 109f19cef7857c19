// A WebSocket server that sends every message back, text and binary. websocket_echo [ADDRESS]
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/websocket.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;
using proto::WebSocketEvent;
using Reader = proto::WebSocketReader;

// The answer to one event; a close ends the conversation.
std::string answer(const WebSocketEvent& event) {
  switch (event.kind) {
    case WebSocketEvent::Kind::message:
      return proto::encode_frame(event.binary ? proto::Opcode::binary : proto::Opcode::text,
                                 event.payload);
    case WebSocketEvent::Kind::ping: return proto::encode_pong(event.payload);
    case WebSocketEvent::Kind::close: return proto::encode_close(event.code);
    case WebSocketEvent::Kind::error: return proto::encode_close(event.code, event.payload);
    default: return {};
  }
}

Task<> talk(Stream& stream) {
  proto::RequestParser parser;
  Reader reader(Reader::Role::server, 1 << 20, Reader::Messages::text_and_binary);
  for (bool upgraded = false; !reader.finished();) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    std::string out;
    std::span<const std::byte> bytes = chunk->bytes();
    if (!upgraded) {
      const auto step = parser.feed(bytes);
      if (step.progress == proto::RequestParser::Progress::need_more) continue;
      bytes = bytes.subspan(step.consumed);
      if (step.progress == proto::RequestParser::Progress::error) {
        out = proto::error_response(parser.error());
      } else {
        const proto::Request request = parser.take_request();
        const auto accept = proto::check_upgrade(request);
        upgraded = accept && proto::origin_allowed(request);
        out = upgraded ? proto::upgrade_response(*accept)
                       : proto::error_response({403, "WebSockets of this page only"});
      }
    }
    if (upgraded) {
      reader.feed(bytes);
      while (const auto event = reader.next()) out += answer(*event);
    }
    auto sent = co_await stream.send_all(out);
    if (!sent || !upgraded) co_return;
  }
}

Task<> serve_client(Io&, Stream stream) {
  co_await talk(stream);
  (void)co_await stream.finish();
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:9001"}, serve_client);
}
