// A stranger's program that uses the protocols: what they need (nettle, simdjson, llhttp, wslay)
// must come along with polyio::proto.
#include <cstdio>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/http.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

int main() {
  // RFC 6455, section 1.3, has this key and its answer.
  const bool key =
      polyio::proto::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const bool text = polyio::proto::valid_utf8("n\u00e9") && !polyio::proto::valid_utf8("\xff");
  polyio::proto::RequestParser http;
  polyio::proto::WebSocketReader websocket;
  if (!key || !text) return 1;
  std::printf("polyio's protocols work here\n");
}
