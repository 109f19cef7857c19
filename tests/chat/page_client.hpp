// PageClient: what the chat's page does, over the sim driver's network: the handshake, events and
// commands in frames, pongs. It also follows the list of people. Stranger: a client that sends
// anything.
#pragma once

#include <polyio/base/text.hpp>
#include <polyio/proto/websocket.hpp>

#include <nlohmann/json.hpp>

#include "clients.hpp"

namespace polyio::chat_test {

class PageClient final : public Client {
 public:
  PageClient(World& world, unsigned number, std::uint64_t seed)
      : Client(world, number, seed),
        reader_(proto::WebSocketReader::Role::client, 16 << 20),
        items_(random_.below(6)) {}

 private:
  using json = nlohmann::json;
  using Kind = proto::WebSocketEvent::Kind;

  proto::MaskKey mask() {
    const auto bits = random_.next();
    return {static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(bits >> 8),
            static_cast<std::uint8_t>(bits >> 16), static_cast<std::uint8_t>(bits >> 24)};
  }

  Task<> speak(Stream& stream) override {
    std::string bytes =
        "GET /ws HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for (auto left = items_; left > 0; --left) {
      if (random_.chance(1, 2)) {
        const bool sent = co_await send(stream, bytes);
        if (!sent) co_return;
        bytes.clear();
        (void)co_await world_.io.sleep(upto(3ms));
      }
      bytes += item();
    }
    if (patient_ || random_.chance(1, 2)) {
      (void)co_await send(stream, bytes);
      bytes.clear();
    }
    rest_ = std::move(bytes);
  }

  Task<> say_goodbye(Stream& stream) override {
    if (random_.chance(1, 8)) (void)co_await world_.io.sleep(upto(50ms));
    if (goodbye_ == Goodbye::quit) rest_ += proto::encode_close(1000, "bye", mask());
    (void)co_await send(stream, rest_);
  }

  std::string item() {
    const auto kind = random_.below(100);
    if (kind < 8) {
      ++answers_owed_;
      return command({{"type", "say"}, {"text", world_.options.max_line}});
    }
    if (kind < 14) {
      ++answers_owed_;
      return command({{"type", "say"}, {"text", bad_ascii()}});
    }
    if (kind < 22) {
      ++answers_owed_;
      std::string name = nickname();
      if (name == "\xff") name = "\x07";
      return command({{"type", "nick"}, {"nick", name}});
    }
    if (kind < 26) return proto::encode_ping("hello?", mask());
    if (kind < 30) {
      const auto room = random_.below(3);
      answers_owed_ += room == 2;  // where it is not
      return command({{"type", "show"}, {"room", room}});
    }
    if (kind < 34 && next_ > 0) {
      const auto from = random_.below(next_);
      resumes_ = true;
      return command({{"type", "resume"}, {"rooms", {{1, from}}}});
    }
    json say{{"type", "say"}, {"text", message()}};
    if (random_.chance(1, 2)) say["key"] = fmt::format("key-{}-{}", number_, said_.size());
    const std::string text = say.dump();
    if (kind < 85) return proto::encode_text(text, mask());
    const auto cut = random_.below(text.size());
    return proto::encode_frame(proto::Opcode::text, text.substr(0, cut), {false, mask()}) +
           proto::encode_frame(proto::Opcode::continuation, text.substr(cut), {true, mask()});
  }

  std::string bad_ascii() {
    return random_.chance(1, 2) ? std::string("\x1b[2J")
                                : std::string(world_.options.max_line + 1, 'x');
  }
  std::string command(const json& value) { return proto::encode_text(value.dump(), mask()); }

  void take(std::string_view bytes) override {
    require(!closed_ || bytes.empty(), "bytes after the close frame");
    if (!upgraded_) {
      head_ += bytes;
      const auto end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      require(head_.starts_with("HTTP/1.1 101 "), "the handshake was refused: " + head_);
      upgraded_ = true;
      const std::string rest = head_.substr(end + 4);
      return frames(rest);
    }
    frames(bytes);
  }

  void frames(std::string_view bytes) {
    reader_.feed(std::as_bytes(std::span(bytes)));
    while (const auto event = reader_.next()) {
      require(!closed_, "a frame after the close frame");
      if (event->kind == Kind::message) happened(json::parse(event->payload));
      if (event->kind == Kind::close) closed_ = true;
      require(event->kind != Kind::error, fmt::format("a malformed frame: {}", event->payload));
    }
  }

  void happened(const json& event) {
    const std::string type = event.at("type");
    if (hello_name_.empty()) {
      require(type == "hello", "hello must be first");
      hello_name_ = event.at("name");
      id_ = event.at("id");
      require(hello_name_ == address_, "hello has another's name");
      require(event.at("limit") == world_.options.max_line, "hello has another limit");
    } else if (type == "room") {
      require(event.at("room") == 1 && next_ == 0, "not its room, or twice");
      next_ = event.at("last").get<std::uint64_t>() + 1;
      hearing_.begin(next_ - 1, next_ - 1);
    } else if (type == "who") {
      listing_ = true;
      people_.clear();
      for (const json& one : event.at("people")) people_[one.at("id")] = one.at("name");
      require(event.at("total") == people_.size(), "the list of people has another number");
    } else if (type == "error") {
      ++answers_;
    } else if (type == "gap") {
      const std::uint64_t from = event.at("from"), to = event.at("to");
      require(from <= next_ && from <= to, "a gap at the wrong place");
      require(from == next_ || resumes_, "a gap of what it has");
      if (to >= next_) hearing_.skip(to + 1 - next_);
      next_ = std::max(next_, to + 1);
      gap_ = true;
    } else if (type == "entries") {
      for (const json& entry : event.at("entries")) heard_entry(entry);
    } else if (type == "history") {
      for (const json& entry : event.at("entries")) old_entry(entry);
    } else if (type == "renamed") {
      ++renamed_;
    } else if (type == "stored") {
      const std::string key = event.at("key");
      require(key.starts_with(fmt::format("key-{}-", number_)), "another's key: " + key);
    } else {
      news(type, event);
    }
  }

  // In the lobby's log and in the record of what was said the numbers are the same.
  void old_entry(const json& entry) {
    const std::uint64_t number = entry.at("seq");
    const auto& said = world_.record.said();
    require(number >= 1 && number <= said.size(), "an entry of the future");
    const Happening& happening = world_.record.all()[said[number - 1]];
    const std::string text = entry.at("text"), name = entry.at("name");
    require(happening.name == name && happening.text == escape_for_log(text, 1024),
            "an entry that is not what was said");
  }
  void heard_entry(const json& entry) {
    require(next_ > 0, "an entry before its room");
    old_entry(entry);
    const std::uint64_t number = entry.at("seq");
    if (number < next_) return require(resumes_, "an entry twice");
    require(number == next_++, "an entry is missing");
    const std::string text = entry.at("text"), name = entry.at("name");
    hearing_.hear(name, text);
    count_own(text);
  }

  void news(const std::string& type, const json& event) {
    if (type == "total") return;
    const std::uint64_t id = event.at("id");
    const std::string name = event.value("name", "");
    require(listing_, "news that was not asked for: " + type);
    if (type == "join") {
      require(people_.emplace(id, name).second || gap_, "it joined twice");
    } else if (type == "leave") {
      require(people_.erase(id) == 1 || gap_, "a stranger left");
    } else {
      require(type == "rename", "an unknown event: " + type);
      require(gap_ || people_.contains(id), "a stranger was renamed");
      if (people_.contains(id)) people_[id] = name;
    }
  }

  bool judge() override {
    const Stay* stay = world_.record.stay(address_);
    // Its first bytes came late: it was taken for a silent line client and hung up on.
    if (!upgraded_ && world_.sim.options().stall > 0) return false;
    require(upgraded_ && stay && stay->has_left, "it was never here, or never left");
    if (world_.pings_often) return false;
    require(ended_ && !broken_, "there was no end of file");
    require(!reader_.mid_message(), "half a frame at the end");
    require(closed_ == (goodbye_ == Goodbye::quit), "a close frame is missing, or too many");
    require(answers_ + renamed_ == answers_owed_, "an answer is missing, or too many");
    require(renamed_ == stay->renames, "a name is missing");
    require(hearing_.complete(stay->said_until),
            fmt::format("entries are missing: {} comes next, and {} were said", next_,
                        stay->said_until));
    return true;
  }

  proto::WebSocketReader reader_;
  std::uint64_t items_;
  std::size_t answers_owed_ = 0, answers_ = 0;
  std::size_t renamed_ = 0;
  std::uint64_t next_ = 0;  // the number of the entry that comes next; 0: before its room
  bool upgraded_ = false, closed_ = false, gap_ = false, resumes_ = false, listing_ = false;
  std::string rest_, head_, hello_name_;
  std::uint64_t id_ = 0;
  std::map<std::uint64_t, std::string> people_;
};

// Sends anything at all, in any order; its bytes are not judged.
class Stranger {
 public:
  Stranger(World& world, std::uint64_t seed) : world_(world), random_(seed) {}

  Task<> run() {
    (void)co_await world_.io.sleep(upto(5ms));
    auto stream = co_await world_.io.connect(world_.server);
    if (!stream) co_return;
    CancelScope patience(world_.io, 5s);  // it does not read while it sends
    if (random_.chance(1, 4)) (void)co_await world_.io.sleep(upto(600ms));
    for (auto left = random_.below(6); left > 0; --left) {
      const std::string bytes = something();
      auto sent = co_await stream->send_all(bytes);
      if (!sent) co_return;
      if (random_.chance(1, 4)) (void)co_await world_.io.sleep(upto(2ms));
    }
    if (random_.chance(1, 2)) (void)stream->shutdown_send();
    patience.set_deadline(deadline_after(world_.io.now(), upto(random_.chance(1, 2) ? 3s : 5ms)));
    for (;;) {
      auto chunk = co_await stream->receive();
      if (!chunk || chunk->empty()) co_return;
    }
  }

 private:
  Nanoseconds upto(Nanoseconds most) {
    return Nanoseconds(random_.below(static_cast<std::uint64_t>(most.count())));
  }

  std::string something() {
    static const std::array<std::string, 14> known{
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nquit\r\nhello\n",
        "GET /ws HTTP/1.1\r\nHost: 10.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: 10.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Origin: http://evil.example\r\n\r\n",
        "GET /nothing HTTP/1.1\r\n",
        "GET ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\n\r\n",
        "BREW /pot HTTP/1.1\r\n\r\n",
        "/history 99999999999999999999\n",
        "/nick \x1b\n",
        proto::encode_frame(proto::Opcode::binary, "zz", {true, proto::MaskKey{1, 2, 3, 4}}),
        proto::encode_text("{\"type\":\"say\",\"text\":\"\\ud800\"}", proto::MaskKey{1, 2, 3, 4})};
    if (random_.chance(1, 2)) return known[random_.below(known.size())];
    std::string bytes(1 + random_.below(60), ' ');
    for (char& byte : bytes) {
      byte = static_cast<char>(random_.next());
      if (byte == '.') byte = '\n';  // so that it never passes for another client's message
    }
    return bytes;
  }

  World& world_;
  Random random_;
};

}  // namespace polyio::chat_test
