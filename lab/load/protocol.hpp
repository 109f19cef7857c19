// Protocol: how the fan-out servers are spoken to. A message is a text; a protocol says what a
// sender writes for it, what every receiver must get, and where one frame ends in a stream.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace polyio::lab {

struct Frame {
  enum class Kind {
    incomplete,  // more bytes are needed
    message,
    other,  // not a message: passed over
    ping,   // a WebSocket ping: `answer_to` answers it
  };
  Kind kind = Kind::incomplete;
  std::size_t size = 0;   // bytes the frame takes in the stream
  std::string_view text;  // of a message: what was said
};

class Protocol {
 public:
  // lines, chat, redis, ws, chat-ws; throws std::invalid_argument.
  static std::unique_ptr<Protocol> make(const std::string& name, const std::string& server);

  virtual ~Protocol() = default;
  // Senders receive too, on the same connection; otherwise they have one of their own.
  virtual bool senders_receive() const { return true; }
  // What a receiver writes first.
  virtual std::string greeting() const { return {}; }
  // What a sender writes for `text`, and what each receiver gets; `sender` is python_name() of it.
  virtual std::string request(std::string_view text) const = 0;
  virtual std::string delivery(const std::string& sender, std::string_view text) const = 0;
  // The first frame of `bytes`. Throws std::runtime_error for bytes that can't be right.
  virtual Frame split(std::string_view bytes) const = 0;
  // Whether `frame` is the delivery `expected`: byte for byte, unless it holds something
  // unpredictable.
  virtual bool same(std::string_view frame, std::string_view expected) const {
    return frame == expected;
  }
  virtual std::string answer_to(std::string_view /*ping*/) const { return {}; }
};

}  // namespace polyio::lab
