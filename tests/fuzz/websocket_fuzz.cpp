// WebSocketReader in both roles: cuts, and what every event must be like; the writer: whatever it
// writes is read back as it was.
#include "fuzz.hpp"

namespace polyio::proto::test {
namespace {

using Role = WebSocketReader::Role;
using Kind = WebSocketEvent::Kind;
using Compression = WebSocketReader::Compression;
constexpr std::size_t max_message = 48;

void check_events(std::string_view text, Role role, Compression compression) {
  WebSocketReader reader(role, max_message, WebSocketReader::Messages::text, compression);
  reader.feed(std::as_bytes(std::span(text.data(), text.size())));
  while (const auto event = reader.next()) {
    require(!event->payload.data() || valid_utf8(event->payload) || event->kind == Kind::ping ||
                event->kind == Kind::pong,
            "text is valid");
    if (event->kind == Kind::message)
      require(event->payload.size() <= max_message, "it is bounded");
    if (event->kind == Kind::ping) require(event->payload.size() <= 125, "a ping is short");
    const bool ends = event->kind == Kind::close || event->kind == Kind::error;
    require(reader.finished() == ends, "a close and an error are the last event");
    if (event->kind == Kind::close) encode_close(event->code, event->payload);
    if (event->kind == Kind::error) require(may_be_sent(event->code), "an error can be sent");
  }
  require(!reader.finished() || !reader.mid_message(), "nothing is kept after the end");
}

void check_writer(std::string_view text, std::size_t cut) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(cut >> shift); };
  const MaskKey key = {byte(0), byte(3), byte(5), byte(8)};
  const Log read = {valid_utf8(text) ? fmt::format("message 0 {}:{}", text.size(), text)
                                     : "error 1007 message is not UTF-8"};
  const std::string masked = encode_text(text, key);
  require(websocket_log({masked}, Role::server, text.size()) == read, "a client's text is read");
  require(websocket_log({encode_text(text)}, Role::client, text.size()) == read,
          "a server's text is read");
  const std::string deflated = encode_text_deflated(text, key);
  require(deflated.size() <= masked.size(), "deflating makes nothing longer");
  require(websocket_log({deflated}, Role::server, text.size(), Compression::deflate) == read,
          "a deflated text is read");
  if (text.empty()) return;
  require(websocket_log({deflated}, Role::server, text.size() - 1, Compression::deflate) ==
              Log{"error 1009 message is too big"},
          "one byte more is too much, inflated");
  require(websocket_log({masked}, Role::server, text.size() - 1) ==
              Log{"error 1009 message is too big"},
          "one byte more is too much");
}

}  // namespace
}  // namespace polyio::proto::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::proto::test;
  const Input input = split_off_cut(data, size);
  for (const Role role : {Role::server, Role::client}) {
    for (const Compression compression : {Compression::none, Compression::deflate}) {
      require_same_however_cut(input, [&](const Chunks& chunks) {
        return websocket_log(chunks, role, max_message, compression);
      });
      check_events(input.text, role, compression);
    }
  }
  check_writer(input.text, input.cut);
  return 0;
}
