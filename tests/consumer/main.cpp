// A stranger's program that uses the protocols: what they need (nettle, simdjson, llhttp, wslay,
// zlib) must come along with polyio::proto.
#include <cstdio>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/http.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>
#include <string>

int main() {
  // RFC 6455, section 1.3, has this key and its answer.
  const bool key =
      polyio::proto::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const bool text = polyio::proto::valid_utf8("n\u00e9") && !polyio::proto::valid_utf8("\xff");
  polyio::proto::RequestParser http;
  polyio::proto::WebSocketReader websocket;
  const bool deflated = polyio::proto::encode_text_deflated(std::string(500, 'x')).size() < 50;
  if (!key || !text || !deflated) return 1;
  std::printf("polyio's protocols work here\n");
}
