#include <fmt/format.h>
#include <gtest/gtest.h>
#include <chat/model/frames.hpp>
#include <polyio/base/random.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include <nlohmann/json.hpp>
#include <thread>

namespace polyio::chat {
namespace {

using nlohmann::json;

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
  const std::string address = "('127.0.0.1', 5000)";
  EXPECT_EQ(event_in(hello_frame({.id = 12, .name = address, .limit = 8192})),
            json::parse(R"j({"type":"hello","id":12,"name":"('127.0.0.1', 5000)","limit":8192})j"));
  EXPECT_EQ(event_in(hello_frame({12, address, 64, true, true, false, false})),
            json::parse(R"j({"type":"hello","id":12,"name":"('127.0.0.1', 5000)","limit":64,
                             "account":true,"admin":true,"register":false,"guests":false})j"));
  EXPECT_EQ(event_in(room_frame({.id = 5, .name = "#dev", .topic = "t", .last = 9, .read = 7})),
            json::parse(R"({"type":"room","room":5,"name":"#dev","topic":"t","last":9,"read":7,
                            "role":"member"})"));
  EXPECT_EQ(event_in(room_frame({5, "bob", "", 9, 7, Role::founder, true, true, true, 3})),
            json::parse(R"({"type":"room","room":5,"name":"bob","topic":"","last":9,"read":7,
                            "role":"founder","private":true,"readonly":true,"muted":true,
                            "direct":3})"));
  EXPECT_EQ(event_in(parted_frame(5, "")), json::parse(R"({"type":"parted","room":5})"));
  EXPECT_EQ(event_in(parted_frame(5, "why")),
            json::parse(R"({"type":"parted","room":5,"text":"why"})"));
  const RoomListing listing[] = {{5, "#dev", "t", 4}, {6, "#x", "", 0}};
  EXPECT_EQ(event_in(rooms_frame(listing)), json::parse(R"({"type":"rooms","rooms":[
                {"name":"#dev","topic":"t","people":4,"room":5},
                {"name":"#x","topic":"","people":0,"room":6}]})"));
  EXPECT_EQ(event_in(invited_frame("#dev", "alice")),
            json::parse(R"({"type":"invited","name":"#dev","by":"alice"})"));
  EXPECT_EQ(event_in(notice_frame("n")), json::parse(R"({"type":"notice","text":"n"})"));
  EXPECT_EQ(event_in(gap_frame({5, 120, 156})),
            json::parse(R"({"type":"gap","room":5,"from":120,"to":156})"));
  EXPECT_EQ(event_in(stored_frame("k", 5, 7)),
            json::parse(R"({"type":"stored","key":"k","room":5,"seq":7})"));
  EXPECT_EQ(event_in(renamed_frame("al")), json::parse(R"({"type":"renamed","name":"al"})"));
  EXPECT_EQ(event_in(error_frame("no")), json::parse(R"({"type":"error","text":"no"})"));
  EXPECT_EQ(event_in(error_frame("no", "say", "k")),
            json::parse(R"({"type":"error","text":"no","about":"say","key":"k"})"));
  EXPECT_EQ(event_in(presence_frame("join", 1, 13, "bob")),
            json::parse(R"({"type":"join","room":1,"id":13,"name":"bob"})"));
  EXPECT_EQ(event_in(presence_frame("leave", 1, 13, "")),
            json::parse(R"({"type":"leave","room":1,"id":13})"));
  EXPECT_EQ(event_in(who_frame(1, {{3, std::make_shared<const std::string>("al")}}, 7)),
            json::parse(R"({"type":"who","room":1,"people":[{"id":3,"name":"al"}],"total":7})"));
  EXPECT_EQ(event_in(total_frame(1, 9)), json::parse(R"({"type":"total","room":1,"total":9})"));
  EXPECT_EQ(json::parse(history_event(1, "", true)),
            json::parse(R"({"type":"history","room":1,"entries":[],"start":true})"));
}

Entry an_entry(Entry::Kind kind, std::string text) {
  return {.room = 5,
          .sequence = 9,
          .time_ms = 1'700'000'000'123,
          .author = 3,
          .name = "alice",
          .kind = kind,
          .text = std::move(text)};
}

TEST(Message, HasALineAndAFrame) {
  const std::string text = "h\"i\\ \t<b>\u00e9\U0001F600";
  const Message message(an_entry(Entry::Kind::message, text));
  EXPECT_EQ(message.line, "[alice] " + text + "\n");
  const json entry{
      {"seq", 9}, {"id", 3}, {"name", "alice"}, {"text", text}, {"time", 1'700'000'000'123}};
  EXPECT_EQ(event_in(message.frame()),
            (json{{"type", "entries"}, {"room", 5}, {"entries", json::array({entry})}}));
  EXPECT_EQ(json::parse(message.object()), entry);
}

TEST(Message, OfEachKindHasItsLineAndItsObject) {
  using Kind = Entry::Kind;
  const auto line = [](const Entry& entry, std::string_view where) {
    return Message(entry, where).line;
  };
  EXPECT_EQ(line(an_entry(Kind::message, "hi"), "#dev "), "#dev [alice] hi\n");
  Entry entry = an_entry(Kind::action, "waves");
  EXPECT_EQ(line(entry, ""), "* alice waves\n");
  EXPECT_EQ(json::parse(entry_object(entry))["action"], true);
  entry = an_entry(Kind::topic, "tea");
  EXPECT_EQ(line(entry, ""), "") << "the lobby's line clients see messages only";
  EXPECT_EQ(line(entry, "#dev "), "-- #dev alice sets the topic: tea\n");
  EXPECT_EQ(json::parse(entry_object(entry))["topic"], "tea");
  entry = an_entry(Kind::edit, "hello");
  entry.target = 7;
  EXPECT_EQ(line(entry, ""), "[alice] hello (edited)\n");
  EXPECT_EQ(json::parse(entry_object(entry, true)),
            json::parse(R"({"room":5,"seq":9,"id":3,"name":"alice","time":1700000000123,
                            "target":7,"text":"hello"})"));
  entry = an_entry(Kind::removal, "");
  entry.target = 7;
  EXPECT_EQ(line(entry, ""), "");
  EXPECT_EQ(json::parse(entry_object(entry)),
            json::parse(R"({"seq":9,"id":3,"name":"alice","time":1700000000123,
                            "target":7,"removed":true})"));
}

TEST(Message, IsFramedOnceByManyThreads) {
  const Message message(an_entry(Entry::Kind::message, std::string(1'000, 'x')));
  std::vector<const std::string*> frames(8);
  {
    std::vector<std::jthread> threads;
    for (auto& frame : frames) threads.emplace_back([&] { frame = &message.frame(); });
  }
  for (const std::string* frame : frames) EXPECT_EQ(frame, frames[0]);
  EXPECT_EQ(event_in(*frames[0])["entries"][0]["text"], std::string(1'000, 'x'));
}

// --- what the page sends ---

// What a page may say or be called, as its session sees it.
enum class Kind : std::uint8_t { none, say, nick };
struct Command {
  Kind kind = Kind::none;
  std::string text;
};
Command parse_command(std::string_view text) {
  const auto request = parse_request(text);
  if (request && request->type == "say" && request->text) return {Kind::say, *request->text};
  if (request && request->type == "nick" && request->nick) return {Kind::nick, *request->nick};
  return {};
}

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

TEST(Commands, HaveTheFieldsOfAllRequests) {
  const auto request = parse_request(
      R"({"type":"x","room":5,"before":7,"after":0,"target":8,"seq":9,"count":50,"key":"k",
          "name":"#dev","action":true,"private":true,"readonly":false,"x":{"room":6}})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->room, 5);
  EXPECT_EQ(request->before, 7u);
  EXPECT_TRUE(request->has_after);
  EXPECT_EQ(request->target, 8u);
  EXPECT_EQ(request->seq, 9u);
  EXPECT_EQ(request->count, 50u);
  EXPECT_EQ(request->key, "k");
  EXPECT_EQ(request->name, "#dev");
  EXPECT_TRUE(request->action);
  EXPECT_EQ(request->is_private, true);
  EXPECT_EQ(request->read_only, false);
}

TEST(Commands, ResumeInPairs) {
  const auto request = parse_request(
      R"({"type":"resume","rooms":[[1,12],[5,0],[6],[7,1,2],"x",[8,"9"],[[9,1]],{"a":[3,4]}]})");
  ASSERT_TRUE(request);
  using Pairs = std::vector<std::pair<RoomId, Sequence>>;
  EXPECT_EQ(request->rooms, (Pairs{{1, 12}, {5, 0}}));
  std::string many = R"({"type":"resume","rooms":[[1,1])";
  for (int i = 0; i < 5'000; ++i) many += ",[1,1]";
  EXPECT_LE(parse_request(many + "]}")->rooms.size(), 1'000u);
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
    const Message message(an_entry(Entry::Kind::message, command.text));
    EXPECT_EQ(event_in(message.frame())["entries"][0]["text"], command.text);
  }
}

}  // namespace
}  // namespace polyio::chat
