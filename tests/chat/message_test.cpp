#include <fmt/format.h>
#include <gtest/gtest.h>
#include <chat/frames.hpp>
#include <polyio/base/random.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include <deque>
#include <nlohmann/json.hpp>
#include <thread>

namespace polyio::chat {
namespace {

using nlohmann::json;
using Kind = Command::Kind;

json event_in(const std::string& frame) {
  proto::WebSocketReader reader(proto::WebSocketReader::Role::client, 1 << 24);
  reader.feed(std::as_bytes(std::span(frame)));
  const auto event = reader.next();
  if (!event || event->kind != proto::WebSocketEvent::Kind::message) return nullptr;
  const json parsed = json::parse(event->payload);
  EXPECT_FALSE(reader.next()) << "one frame each";
  EXPECT_FALSE(reader.mid_message());
  return parsed;
}

// --- what the page gets ---

TEST(Frames, SayWhatTheProtocolSays) {
  EXPECT_EQ(event_in(hello_frame(12, "('127.0.0.1', 5000)", 8192)),
            json::parse(R"j({"type":"hello","id":12,"name":"('127.0.0.1', 5000)","limit":8192})j"));
  EXPECT_EQ(event_in(presence_frame("join", 13, "bob")),
            json::parse(R"({"type":"join","id":13,"name":"bob"})"));
  EXPECT_EQ(event_in(presence_frame("leave", 13, "")), json::parse(R"({"type":"leave","id":13})"));
  EXPECT_EQ(event_in(presence_frame("rename", 13, "al")),
            json::parse(R"({"type":"rename","id":13,"name":"al"})"));
  EXPECT_EQ(event_in(skipped_frame(37)), json::parse(R"({"type":"skipped","count":37})"));
  EXPECT_EQ(event_in(error_frame("no")), json::parse(R"({"type":"error","text":"no"})"));
  std::size_t from = 0;
  EXPECT_EQ(event_in(history_frame({}, from, true)),
            json::parse(R"({"type":"history","messages":[]})"));
  EXPECT_EQ(event_in(history_frame({}, from, false)),
            json::parse(R"({"type":"history","continued":true,"messages":[]})"));
  EXPECT_EQ(event_in(who_frame({}, 7)), json::parse(R"({"type":"who","people":[],"total":7})"));
  EXPECT_EQ(event_in(total_frame(9)), json::parse(R"({"type":"total","total":9})"));
}

TEST(Message, HasALineAndAFrame) {
  const Message message(3, "alice", "h\"i\\ \t<b>\u00e9\U0001F600", 1'700'000'000'123);
  EXPECT_EQ(message.line, "[alice] h\"i\\ \t<b>\u00e9\U0001F600\n");
  EXPECT_EQ(event_in(message.frame()), (json{{"type", "message"},
                                             {"id", 3},
                                             {"name", "alice"},
                                             {"text", "h\"i\\ \t<b>\u00e9\U0001F600"},
                                             {"time", 1'700'000'000'123}}));
  EXPECT_EQ(json::parse(message.object()), event_in(message.frame()));
}

TEST(History, ComesInChunks) {
  std::deque<MessagePtr> history;
  for (int i = 0; i < 40; ++i) {
    history.push_back(std::make_shared<const Message>(1, "n", std::string(2'000, 'x'), i));
  }
  std::size_t from = 0;
  std::vector<std::size_t> sizes;
  int next = 0;
  while (from < history.size()) {
    const std::string frame = history_frame(history, from, from == 0);
    EXPECT_LT(frame.size(), history_chunk + 3'000);
    const json event = event_in(frame);
    EXPECT_EQ(event.value("continued", false), !sizes.empty());
    sizes.push_back(event["messages"].size());
    for (const json& message : event["messages"]) EXPECT_EQ(message["time"], next++);
  }
  EXPECT_EQ(next, 40);
  EXPECT_EQ(sizes.size(), 3u);
}

TEST(Message, IsFramedOnceByManyThreads) {
  const Message message(1, "n", std::string(1'000, 'x'), 1);
  std::vector<const std::string*> frames(8);
  {
    std::vector<std::jthread> threads;
    for (auto& frame : frames) threads.emplace_back([&] { frame = &message.frame(); });
  }
  for (const std::string* frame : frames) EXPECT_EQ(frame, frames[0]);
  EXPECT_EQ(event_in(*frames[0])["text"], std::string(1'000, 'x'));
}

// --- what the page sends ---

void expect_command(std::string_view text, Kind kind, std::string_view argument = "") {
  const Command command = parse_command(text);
  EXPECT_EQ(command.kind, kind) << text.substr(0, 100);
  EXPECT_EQ(command.text, argument) << text.substr(0, 100);
}

TEST(Commands, AreUnderstood) {
  expect_command(R"({"type":"say","text":"hello"})", Kind::say, "hello");
  expect_command(R"({"text":"","type":"say"})", Kind::say, "");
  expect_command(R"( { "type" : "nick" , "nick" : "alice" , "more" : [1, {"a": null}] } )",
                 Kind::nick, "alice");
  expect_command(R"({"type":"nick","nick":""})", Kind::nick, "");
  expect_command(R"({"type":"say","text":"\u00e9\ud83d\ude00\t\"\\\/"})", Kind::say,
                 "\u00e9\U0001F600\t\"\\/");
}

// A control character passes here: check_text refuses it before anyone sees it.
TEST(Commands, KeepWhatIsEscaped) {
  const Command command = parse_command(R"({"type":"say","text":"a\u0000b\u001b[2J\n"})");
  EXPECT_EQ(command.kind, Kind::say);
  EXPECT_EQ(command.text, std::string("a\0b\x1b[2J\n", 8));
  EXPECT_FALSE(proto::check_text(command.text));
}

TEST(Commands, OfWrongTypesAreNone) {
  for (const char* text : {"",
                           " ",
                           "null",
                           "1",
                           "\"say\"",
                           "[]",
                           "[\"type\",\"say\"]",
                           "{}",
                           "{\"type\":\"say\"}",
                           R"({"text":"hi"})",
                           R"({"type":"say","text":5})",
                           R"({"type":"say","text":null})",
                           R"({"type":"say","text":["hi"]})",
                           R"({"type":"say","text":{"text":"hi"}})",
                           R"({"type":"say","nick":"hi"})",
                           R"({"type":"nick","nick":7})",
                           R"({"type":"nick","nick":null})",
                           R"({"type":"nick"})",
                           R"({"type":["say"],"text":"x"})",
                           R"({"type":1,"text":"hi"})",
                           R"({"type":"SAY","text":"hi"})",
                           R"({"type":"","text":""})",
                           R"({"Type":"say","text":"hi"})",
                           R"({"type":"say\u0000","text":"hi"})"}) {
    expect_command(text, Kind::none);
  }
}

TEST(Commands, ThatAreNotJsonAreNone) {
  for (const char* text :
       {"{", "}", "{\"type\":\"say\",\"text\":\"hi\"", "{\"type\":\"say\",\"text\":\"hi\"}}",
        "{\"type\":\"say\",\"text\":\"hi\"} x", "{'type':'say','text':'hi'}",
        "{type:\"say\",text:\"hi\"}", "{\"type\":\"say\",\"text\":\"hi\",}", "NaN", "Infinity",
        "{\"type\":\"say\",\"text\":\"a\nb\"}", "{\"type\":\"say\",\"text\":\"\\x41\"}",
        "{\"type\":\"say\",\"text\":\"\\u12\"}", "{\"type\":\"say\",\"text\":\"hi\"}\x01",
        "/* c */ {\"type\":\"say\",\"text\":\"hi\"}", "\xef\xbb\xbf", "\xff\xfe{",
        "{\"type\":\"say\",\"text\":\"\xc3\"}", "{\"type\":\"say\",\"text\":\"\xed\xa0\x80\"}"}) {
    expect_command(text, Kind::none);
  }
  expect_command(std::string_view("{\"type\":\"say\",\"text\":\"a\0b\"}", 27), Kind::none);
}

TEST(Commands, WithLoneSurrogatesAreNone) {
  for (const char* text : {R"(\ud800)", R"(\udc00)", R"(\ud800\ud800)", R"(\ud800x)",
                           R"(\udc00\ud800)", R"(\uD83D\u0041)", R"(a\udfff)", R"(\ud800\n)"}) {
    expect_command(fmt::format(R"({{"type":"say","text":"{}"}})", text), Kind::none);
    expect_command(fmt::format(R"({{"type":"nick","nick":"{}"}})", text), Kind::none);
    expect_command(fmt::format(R"({{"type":"say","text":"x","{}":1}})", text), Kind::none);
  }
}

// Which one counts does not matter, as long as it is one of them.
TEST(Commands, WithAKeyTwiceTakeOneOfThem) {
  const Command twice = parse_command(R"({"type":"say","text":"a","text":"b"})");
  EXPECT_EQ(twice.kind, Kind::say);
  EXPECT_TRUE(twice.text == "a" || twice.text == "b") << twice.text;
  (void)parse_command(R"({"type":"say","type":5,"text":"a"})");
  (void)parse_command(R"({"type":"nick","type":"say","nick":"n","text":"t"})");
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

// As deep as the longest frame allows (--max-line 65536 times six), and far deeper.
TEST(Commands, NestedDeeplyDoNotEndTheStack) {
  for (const std::size_t depth : {100u, 50'000u, 1'000'000u}) {
    expect_command(repeat("[", depth), Kind::none);
    expect_command(repeat("[", depth) + repeat("]", depth), Kind::none);
    expect_command(repeat("{\"a\":", depth) + "1" + repeat("}", depth), Kind::none);
    expect_command(
        R"({"type":"say","text":"deep","x":)" + repeat("[", depth) + repeat("]", depth) + "}",
        Kind::say, "deep");
    expect_command(R"({"type":"say","text":)" + repeat("[", depth) + repeat("]", depth) + "}",
                   Kind::none);
  }
}

TEST(Commands, WithHugeNumbersDoNotThrow) {
  const std::vector<std::string> numbers{"1e999999999",
                                         "-1e999999999",
                                         "1e-999999999",
                                         repeat("9", 50'000),
                                         "-" + repeat("9", 50'000),
                                         "0." + repeat("1", 50'000),
                                         "18446744073709551616",
                                         "-9223372036854775809",
                                         "1E+400"};
  for (const std::string& number : numbers) {
    EXPECT_NO_THROW((void)parse_command(number));
    EXPECT_NO_THROW((void)parse_command(R"({"type":"say","text":"x","n":)" + number + "}"));
    expect_command(R"({"type":"say","text":)" + number + "}", Kind::none);
  }
}

// Any command that comes out of any bytes can go on to check_text and, if that lets it, to a frame.
TEST(Commands, OfAnyBytesNeverThrow) {
  Random random(7);
  const std::string good = R"({"type":"say","text":"h\u00e9llo \ud83d\ude00 \t","n":[1.5e3,null]})";
  for (int i = 0; i < 50'000; ++i) {
    std::string text = good;
    for (auto edits = 1 + random.below(4); edits > 0; --edits) {
      const auto at = random.below(text.size());
      switch (random.below(4)) {
        case 0: text[at] = static_cast<char>(random.next()); break;
        case 1: text.erase(at, 1 + random.below(3)); break;
        case 2: text.insert(at, 1, "\"\\{}[]u:,\xed\xff"[random.below(11)]); break;
        default: text += text.substr(at, 8); break;
      }
      if (text.empty()) text = "{";
    }
    const Command command = parse_command(text);
    if (command.kind == Kind::none || !proto::check_text(command.text)) continue;
    EXPECT_EQ(event_in(Message(1, "n", command.text, 1).frame())["text"], command.text);
  }
}

}  // namespace
}  // namespace polyio::chat
