#include "protocol.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace polyio::lab {
namespace {

using Kind = Frame::Kind;

[[noreturn]] void unexpected(std::string_view bytes) {
  throw std::runtime_error(fmt::format("unexpected bytes: {:?}", bytes.substr(0, 120)));
}

// Every line goes to all receivers as it is: the hand-written servers and most peers.
class Lines : public Protocol {
 public:
  std::string request(std::string_view text) const override { return std::string(text) + "\n"; }
  std::string delivery(const std::string&, std::string_view text) const override {
    return request(text);
  }
  Frame split(std::string_view bytes) const override {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) return {};
    return {Kind::message, end + 1, bytes.substr(0, end)};
  }
};

// polyio chat: "[name] text"; its own remarks begin with "-- ".
class ChatLines : public Lines {
 public:
  std::string delivery(const std::string& sender, std::string_view text) const override {
    return fmt::format("[{}] {}\n", sender, text);
  }
  Frame split(std::string_view bytes) const override {
    Frame frame = Lines::split(bytes);
    if (frame.kind == Kind::incomplete) return frame;
    const auto text = frame.text.find("] ");
    if (frame.text.starts_with("-- ")) {
      unexpected(frame.text);  // an error, or messages skipped: either way something is lost
    }
    if (text == std::string_view::npos) unexpected(frame.text);
    frame.text.remove_prefix(text + 2);
    return frame;
  }
};

// Redis: receivers SUBSCRIBE, senders PUBLISH.
class Redis : public Protocol {
 public:
  bool senders_receive() const override { return false; }
  std::string greeting() const override { return "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n"; }
  std::string request(std::string_view text) const override {
    return fmt::format("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${}\r\n{}\r\n", text.size(), text);
  }
  std::string delivery(const std::string&, std::string_view text) const override {
    return fmt::format("{}{}\r\n{}\r\n", message, text.size(), text);
  }
  Frame split(std::string_view bytes) const override {
    const auto line = bytes.find("\r\n");
    if (line == std::string_view::npos) return {};
    if (bytes[0] == ':') return {Kind::other, line + 2, {}};
    if (bytes.starts_with(subscribed)) return {Kind::other, subscribed.size(), {}};
    if (!bytes.starts_with(message)) {
      if (message.starts_with(bytes) || subscribed.starts_with(bytes)) return {};
      unexpected(bytes);
    }
    const auto end = bytes.find("\r\n", message.size());
    if (end == std::string_view::npos) return {};
    const std::size_t size = std::stoul(std::string(bytes.substr(message.size(), 8)));
    if (bytes.size() < end + 2 + size + 2) return {};
    return {Kind::message, end + 2 + size + 2, bytes.substr(end + 2, size)};
  }

 private:
  static constexpr std::string_view message = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$";
  static constexpr std::string_view subscribed = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
};

// WebSocket: every text message goes to all receivers as it is.
class WebSocket : public Protocol {
 public:
  explicit WebSocket(std::string server) : server_(std::move(server)) {}
  std::string greeting() const override {
    return fmt::format(
        "GET /ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        server_);
  }
  std::string request(std::string_view text) const override { return masked('\x81', text); }
  std::string delivery(const std::string&, std::string_view text) const override {
    return header('\x81', text.size(), '\0') + std::string(text);
  }
  Frame split(std::string_view bytes) const override {
    if (bytes.starts_with("H")) return upgraded(bytes);
    if (bytes.size() < 2) return {};
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    std::size_t size = at(1), start = 2;
    if (size == 126) {
      if (bytes.size() < 4) return {};
      size = std::size_t{at(2)} << 8 | at(3);
      start = 4;
    } else if (size == 127) {
      if (bytes.size() < 10) return {};
      size = 0;
      for (std::size_t i = 2; i < 10; ++i) size = size << 8 | at(i);
      start = 10;
    } else if (size > 127) {
      unexpected(bytes);  // a server's frames are not masked
    }
    if (bytes.size() < start + size) return {};
    const Frame frame{Kind::message, start + size, bytes.substr(start, size)};
    if (at(0) == 0x81) return message(frame);
    if (at(0) == 0x89) return {Kind::ping, frame.size, frame.text};
    unexpected(bytes);
  }
  std::string answer_to(std::string_view ping) const override { return masked('\x8a', ping); }

 protected:
  virtual Frame message(Frame frame) const { return frame; }

 private:
  static Frame upgraded(std::string_view bytes) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return {};
    const std::string_view head = bytes.substr(0, end + 2);
    if (!head.starts_with("HTTP/1.1 101 ") ||
        head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") == std::string_view::npos) {
      unexpected(head);
    }
    return {Kind::other, end + 4, {}};
  }
  static std::string header(char first, std::size_t size, char mask) {
    std::string head(1, first);
    if (size < 126) return head + static_cast<char>(static_cast<char>(size) | mask);
    head += static_cast<char>('\x7e' | mask);
    head += static_cast<char>(size >> 8);
    return head + static_cast<char>(size & 0xff);
  }
  // The mask 0 is a mask like any other, and the server has to apply it all the same.
  static std::string masked(char first, std::string_view text) {
    return header(first, text.size(), '\x80') + std::string(4, '\0') + std::string(text);
  }

  std::string server_;
};

// polyio chat's page protocol: JSON objects; `id` and `time` are the server's.
class ChatPage : public WebSocket {
 public:
  using WebSocket::WebSocket;
  std::string request(std::string_view text) const override {
    return WebSocket::request(fmt::format(R"({{"type":"say","text":"{}"}})", text));
  }
  std::string delivery(const std::string& sender, std::string_view text) const override {
    return fmt::format(R"("name":"{}","text":"{}"}})", sender, text);
  }
  bool same(std::string_view frame, std::string_view expected) const override {
    return frame.find(expected) != std::string_view::npos;
  }

 protected:
  Frame message(Frame frame) const override {
    constexpr std::string_view type = R"("type":")", key = R"("text":")";
    const auto kind = frame.text.rfind(type);
    if (kind == std::string_view::npos) unexpected(frame.text);
    const std::string_view name = frame.text.substr(kind + type.size());
    if (name.starts_with("gap") || name.starts_with("error")) unexpected(frame.text);
    if (!name.starts_with("entries")) return {Kind::other, frame.size, {}};
    const auto text = frame.text.find(key) + key.size();
    frame.text = frame.text.substr(text, frame.text.find('"', text) - text);
    return frame;
  }
};

}  // namespace

std::unique_ptr<Protocol> Protocol::make(const std::string& name, const std::string& server) {
  if (name == "lines") return std::make_unique<Lines>();
  if (name == "chat") return std::make_unique<ChatLines>();
  if (name == "redis") return std::make_unique<Redis>();
  if (name == "ws") return std::make_unique<WebSocket>(server);
  if (name == "chat-ws") return std::make_unique<ChatPage>(server);
  throw std::invalid_argument("no protocol " + name + ": lines, chat, redis, ws, chat-ws");
}

}  // namespace polyio::lab
