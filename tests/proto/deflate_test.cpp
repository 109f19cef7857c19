// permessage-deflate (RFC 7692): what is sent is read back, what is sent by others is read, and a
// bomb is refused while it is inflated.
#include <polyio/base/text.hpp>
#include <polyio/proto/websocket.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

using namespace std::string_literals;
using Role = WebSocketReader::Role;
using Compression = WebSocketReader::Compression;
constexpr MaskKey key = {0x37, 0xfa, 0x21, 0x3d};

std::string frame(Opcode opcode, std::string_view payload, bool deflated, bool final_fragment) {
  return encode_frame(opcode, payload,
                      {.final_fragment = final_fragment, .mask = key, .deflated = deflated});
}
std::string deflated(std::string_view payload) { return frame(Opcode::text, payload, true, true); }

struct Case {
  std::string input;
  Log log;
};

void check(const Case& c, std::size_t max_message = 8192) {
  SCOPED_TRACE(escape_for_log(c.input.substr(0, 100)));
  const auto run = [&](const Chunks& chunks) {
    return websocket_log(chunks, Role::server, max_message, Compression::deflate);
  };
  EXPECT_EQ(run({c.input}), c.log);
  expect_same_however_cut(c.input, run);
}

// "Hello", as in the examples of section 7.2.3.
const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;

TEST(Deflate, ReadsTheExamplesOfTheRfc) {
  const Log said = {"message 0 5:Hello"};
  const Case cases[] = {
      {deflated(hello), said},
      {frame(Opcode::text, hello.substr(0, 3), true, false) +
           frame(Opcode::continuation, hello.substr(3), false, true),
       said},
      {deflated("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s), said},
      {deflated("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s), said},
      {deflated("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s), said},
      {encode_text("Hello", key), said},
      {deflated("\x00"s), {"message 0 0:"}},
      {deflated(hello) + deflated(hello) + encode_text("x", key),
       {"message 0 5:Hello", "message 0 5:Hello", "message 0 1:x"}},
      {frame(Opcode::text, "", true, false) + encode_ping("p", key) +
           frame(Opcode::continuation, hello, false, true),
       {"ping 0 1:p", "message 0 5:Hello"}},
      {deflated(hello).substr(0, 9), {"unfinished"}},
  };
  for (const Case& c : cases) check(c);
}

TEST(Deflate, RefusesWhatTheRfcForbids) {
  const Log bits = {"error 1002 reserved bits are set"};
  const Log broken = {"error 1007 message can't be inflated"};
  const Case cases[] = {
      {frame(Opcode::ping, hello, true, true), bits},
      {frame(Opcode::text, hello, true, false) + frame(Opcode::continuation, "x", true, true),
       bits},
      {encode_frame(Opcode::binary, hello, {.mask = key, .deflated = true}),
       {"error 1003 binary messages are not accepted"}},
      {deflated("\x06"s), broken},                    // a block of the reserved type
      {deflated("\x00\x05\x00\x00\x00"s), broken},    // lengths that differ
      {deflated("\x00\x05\x00\xfa\xffHe"s), broken},  // a block without its end
      {deflated(hello.substr(0, 3)), broken},
      {deflated("\xca\x49\x41\x00\x12\x00"s), broken},  // a distance before the beginning
      {deflated("\x02\x7f\x00"s), broken},
      // What "Hello" in the message before would be referred to by with context take-over.
      {deflated(hello) + deflated("\xf2\x00\x11\x00\x00"s), {"message 0 5:Hello", broken[0]}},
      {deflated("\x00\x01\x00\xfe\xff\xff\x00"s), {"error 1007 message is not UTF-8"}},
  };
  for (const Case& c : cases) check(c);
  EXPECT_EQ(websocket_log({deflated(hello)}), bits);
}

TEST(Deflate, TheLimitCountsWhatIsInflated) {
  const Log too_big = {"error 1009 message is too big"};
  const std::string text(5000, 'x');
  const std::string message = encode_text_deflated(text, key);
  ASSERT_LT(message.size(), 100u);
  check({message, {"message 0 5000:" + text}}, 5000);
  check({message, too_big}, 4999);
  check({deflated(hello), too_big}, 4);
  check({frame(Opcode::text, hello, true, false) + frame(Opcode::continuation, "x", false, true),
         too_big},
        4);
  // Empty blocks without end have nothing to inflate, and are too many.
  std::string blocks;
  for (int i = 0; i < 20; ++i) blocks += "\x00\x00\x00\xff\xff"s;
  check({deflated(blocks), too_big}, 4);
  check({frame(Opcode::text, blocks.substr(0, 50), true, false) +
             frame(Opcode::continuation, blocks.substr(0, 50), false, true),
         too_big},
        4);
}

TEST(Deflate, ABombIsRefusedWhileItIsInflated) {
  const std::string bomb = encode_text_deflated(std::string(64 << 20, 'x'), key);
  ASSERT_LT(bomb.size(), 200'000u);
  WebSocketReader reader(Role::server, 256 * 1024, WebSocketReader::Messages::text,
                         Compression::deflate);
  std::size_t fed = 0;
  while (!reader.finished() && fed < bomb.size()) {
    const std::string_view piece = std::string_view(bomb).substr(fed, 512);
    reader.feed(std::as_bytes(std::span(piece)));
    fed += piece.size();
    while (const auto event = reader.next()) EXPECT_EQ(event->code, close_code::too_big);
  }
  EXPECT_TRUE(reader.finished());
  EXPECT_LT(fed, bomb.size() / 50);
}

TEST(Deflate, WhatIsWrittenIsReadBack) {
  std::string mixed;
  for (int i = 0; mixed.size() < 70'000; ++i) {
    mixed += "{\"id\":" + std::to_string(i * 7919) + ",\"text\":\"gr\u00fc\u00dfe\"}";
  }
  for (const std::size_t size : {0, 1, 99, 100, 101, 126, 4095, 4096, 4097, 40'000, 70'000}) {
    const std::string text = mixed.substr(0, size);
    const std::string message = encode_text_deflated(text);
    EXPECT_EQ(message == encode_text(text), size < smallest_deflated) << size;
    const Log log = websocket_log({message}, Role::client, 70'000, Compression::deflate);
    EXPECT_EQ(log, valid_utf8(text) ? Log{fmt::format("message 0 {}:{}", size, text)}
                                    : Log{"error 1007 message is not UTF-8"});
  }
}

TEST(Deflate, WhatDoesNotGetShorterIsSentPlain) {
  std::string noise;
  for (std::uint32_t i = 1; noise.size() < 300; i = i * 1664525 + 1013904223) {
    noise += static_cast<char>(' ' + (i >> 24) % 95);
  }
  const std::string message = encode_text_deflated(noise);
  EXPECT_LE(message.size(), encode_text(noise).size());
  std::string each;
  for (int i = 0; i < 120; ++i) each += static_cast<char>(i);
  EXPECT_EQ(encode_text_deflated(each), encode_text(each));
}

TEST(Deflate, NothingIsHeldBetweenMessages) {
  WebSocketReader reader(Role::server, 8192, WebSocketReader::Messages::text, Compression::deflate);
  const std::string message = deflated(hello);
  const std::string_view text = message;
  for (const std::string_view piece : {text.substr(0, 8), text.substr(8)}) {
    reader.feed(std::as_bytes(std::span(piece)));
    while (reader.next()) EXPECT_TRUE(reader.mid_message());
    EXPECT_EQ(reader.mid_message(), piece.data() == text.data());
  }
}

}  // namespace
}  // namespace polyio::proto::test
