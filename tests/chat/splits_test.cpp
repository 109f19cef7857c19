// Whole conversations with the chat over real sockets, disturbed at every offset of what the client
// sends: reset there, finished there, cut in two there, and all of it one byte at a time. A healthy
// client is served meanwhile, an answer does not depend on the cuts, and no client stays.
#include <gtest/gtest.h>

#include <algorithm>
#include <chat/model/chat.hpp>
#include <chat/sessions/sessions.hpp>
#include <regex>

#include "server/fixture.hpp"
#include "support/part.hpp"

namespace polyio::chat_test {
namespace {

using namespace std::chrono_literals;
using server_test::Peer;
using server_test::Running;
using server_test::until;

struct Conversation {
  std::string name;
  std::string said;     // by the client, to the end of the conversation
  bool frames = false;  // the answer's frames may come in another order
};

std::string masked(unsigned char first, std::string_view payload) {
  constexpr std::string_view mask = "\x11\x22\x33\x44";
  std::string frame{static_cast<char>(first), static_cast<char>(0x80 | payload.size())};
  frame += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  return frame;
}

std::string handshake() {
  return "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Origin: http://localhost\r\n\r\n";
}

std::vector<Conversation> conversations() {
  return {
      {"line", "first\r\n/nick n\n\xc3\xa9 \xf0\x9f\x98\x80\n/who\n\xff\n/help\nquit\nno more\n"},
      {"page", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
      {"pages",
       "GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /2 HTTP/1.0\r\nHost: localhost\r\n\r\n"},
      {"bad_request", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"websocket",
       handshake() + masked(0x81, R"({"type":"say","text":"one"})") +
           masked(0x01, R"({"type":"say",)") + masked(0x89, "ping") +
           masked(0x80, R"("text":"two"})") + masked(0x88, "\x03\xe8 bye"),
       true}};
}

// What differs from run to run: ports and times.
std::string same_always(const std::string& text, bool frames) {
  static const std::regex port(R"(', \d+\))"), time(R"("time":\d+)"), date("\r\nDate: [^\r]*");
  std::string plain = std::regex_replace(std::regex_replace(text, port, "', P)"), time, "T");
  plain = std::regex_replace(plain, date, "");
  if (!frames) return plain;
  const auto head = plain.find("\r\n\r\n");
  if (head == plain.npos) return plain;
  std::string body = text.substr(text.find("\r\n\r\n") + 4);
  std::vector<std::string> all;
  while (body.size() >= 2) {  // no frame of these conversations has more than 64 KiB
    std::size_t size = static_cast<unsigned char>(body[1]), at = 2;
    if (size == 126 && body.size() >= 4) {
      size = static_cast<unsigned char>(body[2]) * 256u + static_cast<unsigned char>(body[3]);
      at = 4;
    }
    if (body.size() < at + size) break;
    const std::string payload = body.substr(at, size);
    all.push_back(body.substr(0, 1) +
                  std::regex_replace(std::regex_replace(payload, port, "', P)"), time, "T"));
    body.erase(0, at + size);
  }
  std::ranges::sort(all);
  plain.resize(head);
  for (const std::string& frame : all) plain += "|" + frame;
  return plain + "|rest:" + body;
}

// A chat of its own, with a healthy line client that is there before and after.
class Room {
 public:
  explicit Room(const server_test::Position& dials)
      : chat_({.silence = 1min,  // the first bytes decide, however late they come
               .first_guest = chat::first_guest}),
        running_(options(dials), [this](Io&, Stream stream) {
          return chat::serve_connection(chat_, std::move(stream));
        }) {
    chat_.open(running_.server->homes());
    running_.start();
    witness_.emplace(running_.connect());
    hear("hello");
  }
  Peer connect() const { return running_.connect(); }

  // The witness is served as before, and no other client is left.
  void judge() {
    hear("still here");
    EXPECT_TRUE(until([this] { return running_.statistics().active == 1; })) << "a client stays";
    witness_.reset();
    running_.finish();
    EXPECT_EQ(running_.statistics().active, 0u);
    EXPECT_EQ(running_.statistics().failed, 0u) << running_.log.text();
  }

 private:
  static ServerOptions options(const server_test::Position& dials) {
    ServerOptions options;
    options.model = dials.model;
    options.architecture = dials.architecture;
    return options;
  }
  // Says `text` and reads until it comes back.
  void hear(std::string_view text) {
    witness_->send(std::string(text) + "\n");
    std::string got;
    const std::string wanted = fmt::format("] {}\n", text);
    while (got.find(wanted) == got.npos) {
      const std::string more = witness_->read(1);
      ASSERT_FALSE(more.empty()) << "the healthy client was cut off";
      got += more;
    }
  }

  chat::Chat chat_;
  Running running_;
  std::optional<Peer> witness_;
};

struct Case {
  server_test::Position dials;
  Conversation conversation;
};

class Splits : public testing::TestWithParam<Case> {
 protected:
  static std::string whole() {
    Room room(GetParam().dials);
    Peer peer = room.connect();
    peer.send(GetParam().conversation.said);
    const std::string answer = peer.read_to_end();
    peer.close();
    room.judge();
    return same_always(answer, GetParam().conversation.frames);
  }
  static void disturb(std::size_t offset, const std::string& expected) {
    const std::string& said = GetParam().conversation.said;
    SCOPED_TRACE(fmt::format("at offset {} of {}", offset, said.size()));
    Room room(GetParam().dials);
    {
      Peer peer = room.connect();
      if (offset > 0) peer.send(said.substr(0, offset));
      peer.reset();
    }
    {
      Peer peer = room.connect();
      if (offset > 0) peer.send(said.substr(0, offset));
      peer.finish();
      (void)peer.read_to_end();
    }
    room.judge();
    Room another(GetParam().dials);
    Peer peer = another.connect();
    peer.send(said.substr(0, offset));
    std::this_thread::yield();
    peer.send_gently(said.substr(offset));
    EXPECT_EQ(same_always(peer.read_to_end(), GetParam().conversation.frames), expected);
    peer.close();
    another.judge();
  }
  static void byte_by_byte(const std::string& expected) {
    Room room(GetParam().dials);
    Peer peer = room.connect();
    for (const char byte : GetParam().conversation.said) peer.send_gently({&byte, 1});
    EXPECT_EQ(same_always(peer.read_to_end(), GetParam().conversation.frames), expected);
    peer.close();
    room.judge();
  }
  static void go(std::size_t step, const test::Part& part) {
    const std::string expected = whole();
    ASSERT_FALSE(expected.empty());
    for (std::size_t at = 0; at <= GetParam().conversation.said.size(); at += step) {
      if (!part.has(at)) continue;
      disturb(at, expected);
      if (HasFailure()) return;
    }
    byte_by_byte(expected);
  }
};
using DeepSplits = Splits;

TEST_P(Splits, AtSomeOffsets) { go(17, {}); }
TEST_P(DeepSplits, AtEveryOffset) { go(1, test::part()); }

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const server_test::Position& dials : server_test::all_dials(false)) {
    const bool one = dials.model == "epoll" && dials.architecture == "loop";
    const bool two = dials.model == "io_uring" && dials.architecture == "loops";
    const bool three = dials.model == "blocking" && dials.architecture == "thread-per-connection";
    if (!one && !two && !three) continue;
    for (const Conversation& conversation : conversations()) all.push_back({dials, conversation});
  }
  return all;
}
std::string case_name(const testing::TestParamInfo<Case>& info) {
  return info.param.dials.model + "_" + info.param.conversation.name;
}
INSTANTIATE_TEST_SUITE_P(All, Splits, testing::ValuesIn(cases()), case_name);
INSTANTIATE_TEST_SUITE_P(All, DeepSplits, testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace polyio::chat_test
