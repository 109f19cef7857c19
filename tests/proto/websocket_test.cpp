#include <polyio/base/text.hpp>
#include <polyio/proto/websocket.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

using Role = WebSocketReader::Role;
constexpr MaskKey key = {0x37, 0xfa, 0x21, 0x3d};

std::string frame(Opcode opcode, std::string_view payload, bool final_fragment = true) {
  return encode_frame(opcode, payload, {.final_fragment = final_fragment, .mask = key});
}
std::string part(Opcode opcode, std::string_view payload) { return frame(opcode, payload, false); }
std::string text(std::string_view payload) { return encode_text(payload, key); }

// A masked frame with a first byte and a length byte of one's own (mask key 0: payload as it is).
std::string raw(std::uint8_t first, std::uint8_t length, std::string_view rest = {}) {
  std::string out = {static_cast<char>(first), static_cast<char>(length)};
  return out.append(rest);
}

struct Case {
  std::string input;
  Log log;
};

void check(const Case& c, Role role = Role::server, std::size_t max_message = 8192) {
  SCOPED_TRACE(escape_for_log(c.input));
  const auto run = [&](const Chunks& chunks) { return websocket_log(chunks, role, max_message); };
  EXPECT_EQ(run({c.input}), c.log);
  expect_same_however_cut(c.input, run);
}

TEST(WebSocketReader, ReadsMessagesAndControlFrames) {
  const std::string long_text(300, 'x');
  const Case cases[] = {
      {"", {}},
      {text("Hello"), {"message 0 5:Hello"}},
      {text(""), {"message 0 0:"}},
      {text("a") + text("b") + text(""), {"message 0 1:a", "message 0 1:b", "message 0 0:"}},
      {text(long_text), {"message 0 300:" + long_text}},
      {text("gr\u00fc\u00dfe \U0001f600"), {"message 0 12:gr\u00fc\u00dfe \U0001f600"}},
      {part(Opcode::text, "Hel") + frame(Opcode::continuation, "lo"), {"message 0 5:Hello"}},
      {part(Opcode::text, "") + part(Opcode::continuation, "") + frame(Opcode::continuation, ""),
       {"message 0 0:"}},
      {part(Opcode::text, "") + frame(Opcode::continuation, "x"), {"message 0 1:x"}},
      {part(Opcode::text, "a\xc3") + encode_ping("p", key) + part(Opcode::continuation, "\xa4") +
           encode_pong("", key) + frame(Opcode::continuation, "z") + text("next"),
       {"ping 0 1:p", "pong 0 0:", "message 0 4:a\u00e4z", "message 0 4:next"}},
      {part(Opcode::text, "a") + encode_ping("one", key) + encode_ping("two", key) +
           encode_close(1000, "bye", key),
       {"ping 0 3:one", "ping 0 3:two", "close 1000 3:bye"}},
      {encode_ping(std::string(125, 'p'), key), {"ping 0 125:" + std::string(125, 'p')}},
      {encode_ping("", key) + encode_pong("q", key), {"ping 0 0:", "pong 0 1:q"}},
      {encode_close(1000, "bye", key), {"close 1000 3:bye"}},
      {encode_close(1000, "", key) + text("ignored"), {"close 1000 0:"}},
      {encode_close(close_code::none, "", key), {"close 1005 0:"}},
      {part(Opcode::text, "x") + encode_close(4999, "\u00e4", key), {"close 4999 2:\u00e4"}},
      {part(Opcode::text, "x"), {"unfinished"}},
      {text("x").substr(0, 1), {"unfinished"}},
      {text("x").substr(0, 6), {"unfinished"}},
  };
  for (const Case& c : cases) check(c);
}

TEST(WebSocketReader, RefusesWhatTheRfcForbids) {
  const std::string mask(4, '\0');
  const Case cases[] = {
      {encode_text("hi"), {"error 1002 frame is not masked"}},
      {encode_ping(""), {"error 1002 frame is not masked"}},
      {raw(0xc1, 0x81, mask + "x"), {"error 1002 reserved bits are set"}},
      {raw(0xa1, 0x81, mask + "x"), {"error 1002 reserved bits are set"}},
      {raw(0x99, 0x80, mask), {"error 1002 reserved bits are set"}},
      {frame(Opcode::binary, "x"), {"error 1003 binary messages are not accepted"}},
      {part(Opcode::binary, "x"), {"error 1003 binary messages are not accepted"}},
      {frame(Opcode::continuation, "x"), {"error 1002 nothing to continue"}},
      {text("a") + frame(Opcode::continuation, "x"),
       {"message 0 1:a", "error 1002 nothing to continue"}},
      {part(Opcode::text, "x") + text("y"), {"error 1002 new message inside a fragmented one"}},
      {part(Opcode::text, "x") + frame(Opcode::binary, "y"),
       {"error 1002 new message inside a fragmented one"}},
      {raw(0x83, 0x80, mask), {"error 1002 unknown opcode"}},
      {raw(0x87, 0x80, mask), {"error 1002 unknown opcode"}},
      {raw(0x8b, 0x80, mask), {"error 1002 unknown opcode"}},
      {raw(0x8f, 0x80, mask), {"error 1002 unknown opcode"}},
      {raw(0x09, 0x80, mask), {"error 1002 malformed frame header"}},
      {raw(0x89, 0xfe, std::string("\0\x7e", 2) + mask), {"error 1002 malformed frame header"}},
      {raw(0x81, 0xfe, std::string("\0\x7d", 2) + mask), {"error 1002 malformed frame header"}},
      {raw(0x81, 0xff, std::string("\0\0\0\0\0\0\xff\xff", 8) + mask),
       {"error 1002 malformed frame header"}},
      {raw(0x81, 0xff, std::string("\x80\0\0\0\0\0\0\0", 8) + mask),
       {"error 1002 malformed frame header"}},
      {raw(0x81, 0xff, std::string("\x7f\xff\xff\xff\xff\xff\xff\xff", 8) + mask + "x"),
       {"error 1009 message is too big"}},
      {text("\xff"), {"error 1007 message is not UTF-8"}},
      {text("\xed\xa0\x80"), {"error 1007 message is not UTF-8"}},
      {part(Opcode::text, "\xc3") + frame(Opcode::continuation, ""),
       {"error 1007 message is not UTF-8"}},
      {frame(Opcode::close, "\x03"), {"error 1002 half a close code"}},
      {frame(Opcode::close, "\x03\xe8\xff"), {"error 1007 close reason is not UTF-8"}},
      {text("a") + encode_text("hi") + text("never seen"),
       {"message 0 1:a", "error 1002 frame is not masked"}},
  };
  for (const Case& c : cases) check(c);
}

TEST(WebSocketReader, ReadsBinaryMessagesWhereTheyAreAskedFor) {
  using Reader = WebSocketReader;
  const std::string bytes("\xff\0\xc3", 3);
  const std::string stream = frame(Opcode::binary, bytes) + part(Opcode::binary, bytes) +
                             frame(Opcode::continuation, "\xfe") + text("t") +
                             frame(Opcode::binary, "") + text("\xff");
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    Reader reader(Reader::Role::server, Reader::default_max_message,
                  Reader::Messages::text_and_binary);
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.feed(
          std::as_bytes(std::span(stream).subspan(at, std::min(piece, stream.size() - at))));
      while (const auto event = reader.next()) {
        seen.push_back((event->binary ? "binary " : "text ") + std::string(event->payload));
      }
    }
    EXPECT_EQ(seen, (std::vector<std::string>{"binary " + bytes, "binary " + bytes + "\xfe",
                                              "text t", "binary ", "text message is not UTF-8"}));
  }
}

TEST(WebSocketWriter, WritesBinaryMessages) {
  const std::string bytes("\xff\0", 2);
  EXPECT_EQ(encode_binary(std::as_bytes(std::span(bytes))), std::string("\x82\x02") + bytes);
}

TEST(WebSocketReader, CloseCodesAreThoseThatMayBeSent) {
  for (unsigned code = 0; code <= 65535; ++code) {
    const std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 255)};
    const bool valid = code >= 1000 && code <= 4999 && !(code >= 1004 && code <= 1006) &&
                       !(code >= 1015 && code <= 2999);
    ASSERT_EQ(websocket_log({frame(Opcode::close, payload)}),
              Log{valid ? fmt::format("close {} 0:", code) : "error 1002 invalid close code"});
  }
}

TEST(WebSocketReader, TheMessageLimitIsExact) {
  const std::string fits(8192, 'x');
  const Log read = {"message 0 8192:" + fits};
  const Log refused = {"error 1009 message is too big"};
  const auto halves = [&](std::size_t second) {
    return part(Opcode::text, fits.substr(0, 4096)) +
           frame(Opcode::continuation, std::string(second, 'x'));
  };
  check({text(fits), read});
  check({text(fits + "x"), refused});
  check({halves(4096), read});
  check({halves(4097), refused});
  check({text("12345678"), {"message 0 8:12345678"}}, Role::server, 8);
  check({text("123456789"), {"error 1009 message is too big"}}, Role::server, 8);
  check({text(std::string(70000, 'x')), {"message 0 70000:" + std::string(70000, 'x')}},
        Role::server, 70000);
}

TEST(WebSocketReader, AClientTakesUnmaskedFramesOnly) {
  check({encode_text("Hello") + encode_ping("p") + encode_close(1001, "gone"),
         {"message 0 5:Hello", "ping 0 1:p", "close 1001 4:gone"}},
        Role::client);
  check({text("Hello"), {"error 1002 frame is masked"}}, Role::client);
}

TEST(WebSocketReader, HoldsNothingBetweenMessages) {
  WebSocketReader reader;
  EXPECT_LE(sizeof reader, 48u);
  const auto drain = [&](std::string_view bytes) {
    const OwnCopy copy(bytes);
    reader.feed(copy.bytes());
    int events = 0;
    while (reader.next()) ++events;
    return events;
  };
  const std::string both = part(Opcode::text, "a") + frame(Opcode::continuation, "b");
  for (std::size_t at = 1; at < both.size(); ++at) {
    EXPECT_EQ(drain(std::string_view(both).substr(0, at)), 0);
    EXPECT_TRUE(reader.mid_message()) << at;
    EXPECT_EQ(drain(std::string_view(both).substr(at)), 1);
    EXPECT_FALSE(reader.mid_message()) << at;
  }
  EXPECT_EQ(drain(encode_close(1000, "", key) + "rest"), 1);
  EXPECT_FALSE(reader.mid_message());
  EXPECT_TRUE(reader.finished());
  EXPECT_EQ(drain(text("late")), 0);
}

TEST(WebSocketReader, MayBeMovedInTheMiddle) {
  const std::string message = text("Hello") + text("again");
  WebSocketReader first;
  first.feed(std::as_bytes(std::span(message)).first(4));
  ASSERT_FALSE(first.next());
  WebSocketReader second = std::move(first);
  second.feed(std::as_bytes(std::span(message)).subspan(4));
  const auto event = second.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->payload, "Hello");
  WebSocketReader third = std::move(second);
  const auto next = third.next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->payload, "again");
}

// The examples of RFC 6455, section 5.7.
TEST(WebSocketWriter, WritesTheExamplesOfTheRfc) {
  using namespace std::string_literals;
  EXPECT_EQ(encode_text("Hello"), "\x81\x05Hello");
  EXPECT_EQ(encode_text("Hello", key), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(encode_frame(Opcode::text, "Hel", {.final_fragment = false}), "\x01\x03Hel");
  EXPECT_EQ(encode_frame(Opcode::continuation, "lo"), "\x80\x02lo");
  EXPECT_EQ(encode_ping("Hello"), "\x89\x05Hello");
  EXPECT_EQ(encode_pong("Hello", key), "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(encode_text(std::string(256, 'x')).substr(0, 4), "\x81\x7e\x01\0"s);
  EXPECT_EQ(encode_text(std::string(65536, 'x')).substr(0, 10), "\x81\x7f\0\0\0\0\0\x01\0\0"s);
}

TEST(WebSocketWriter, EveryLengthIsReadBack) {
  for (const std::size_t size : {0u, 1u, 124u, 125u, 126u, 127u, 65535u, 65536u, 65537u, 100000u}) {
    const std::string payload(size, 'x');
    const Log read = {fmt::format("message 0 {}:{}", size, payload)};
    EXPECT_EQ(websocket_log({encode_text(payload)}, Role::client, 100000), read);
    EXPECT_EQ(websocket_log({encode_text(payload, key)}, Role::server, 100000), read);
  }
}

TEST(WebSocketWriter, CutsACloseReasonAtACodePoint) {
  const std::string x121(121, 'x');
  EXPECT_EQ(websocket_log({encode_close(1008, x121 + "\u00e4")}, Role::client),
            Log{"close 1008 123:" + x121 + "\u00e4"});
  EXPECT_EQ(websocket_log({encode_close(1008, x121 + "y\u00e4")}, Role::client),
            Log{"close 1008 122:" + x121 + "y"});
  EXPECT_EQ(encode_close(close_code::none, "dropped"), std::string("\x88\0", 2));
}

TEST(WebSocketWriterDeathTest, RefusesFramesNoPeerMayBeSent) {
  EXPECT_DEATH(encode_close(1006), "may_be_sent");
  EXPECT_DEATH(encode_ping(std::string(126, 'x')), "max_control_payload");
  EXPECT_DEATH(encode_pong(std::string(126, 'x')), "max_control_payload");
}

}  // namespace
}  // namespace polyio::proto::test
