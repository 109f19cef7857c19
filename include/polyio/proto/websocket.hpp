// WebSocket frames (RFC 6455), in and out, as bytes: a reader that turns what arrives into messages
// and control events, and functions that write frames. The rule: whatever the RFC lets an endpoint
// refuse is refused with the close code it names, nothing is kept beyond the message limit, and
// between frames a reader holds no heap memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

// Close codes, RFC 6455 section 7.4.1.
namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t unsupported_data = 1003;
inline constexpr std::uint16_t none = 1005;  // only reported, never sent: the frame had no code
inline constexpr std::uint16_t invalid_text = 1007;
inline constexpr std::uint16_t policy_violation = 1008;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
}  // namespace close_code

// True for codes a close frame may carry: 1000-1003, 1007-1014 and 3000-4999 (RFC 6455 section 7.4
// and IANA's registry).
bool may_be_sent(std::uint16_t code) noexcept;

struct WebSocketEvent {
  enum class Kind : std::uint8_t { message, ping, pong, close, error };
  Kind kind;
  // message: the text, valid UTF-8; or bytes of any kind where it is binary. ping and pong: the
  // application data, at most 125 bytes. close: the peer's reason, valid UTF-8. error: why, for
  // close_code's reason; static storage.
  std::string_view payload;
  // close: the peer's code, or close_code::none. error: the code to close with. 0 otherwise.
  std::uint16_t code = 0;
  bool binary = false;  // message: not text
};

// Reads one endpoint's incoming frames. Binary messages are refused unless they are asked for, and
// so are deflated ones, which come after deflate_answer() (handshake.hpp) has agreed to them. Use:
// feed(chunk), then next() until it answers nothing. Not thread-safe.
class WebSocketReader {
 public:
  // Which end reads: a server takes masked frames only, a client unmasked ones only (section 5.1).
  enum class Role : std::uint8_t { server, client };
  enum class Messages : std::uint8_t { text, text_and_binary };
  enum class Compression : std::uint8_t { none, deflate };
  static constexpr std::size_t default_max_message = 8192;

  // `max_message`: bytes of a message's payload, over all its fragments, inflated.
  explicit WebSocketReader(Role role = Role::server, std::size_t max_message = default_max_message,
                           Messages messages = Messages::text,
                           Compression compression = Compression::none) noexcept;
  ~WebSocketReader();
  WebSocketReader(WebSocketReader&&) noexcept;
  WebSocketReader& operator=(WebSocketReader&&) noexcept;

  // Hands over the next bytes. They must stay where they are until next() has answered nothing, and
  // feed() must not be called again before that (asserted).
  void feed(std::span<const std::byte> bytes) noexcept;

  // The next event, or nothing when more bytes are needed. Its payload is good until the next call
  // of next() or feed(). An error is found no later than the first payload byte of the frame it is
  // in (faults of the text: at the message's end). After close or error nothing follows: what else
  // arrives is ignored (section 5.5.1, 7.1.7).
  std::optional<WebSocketEvent> next();

  // True after a close or an error.
  bool finished() const noexcept { return finished_; }
  // True in the middle of a frame or of a fragmented message: then, and only then, memory is held,
  // at most about 5 KB and twice the message limit, and 40 KB in a deflated message.
  bool mid_message() const noexcept { return state_ != nullptr; }

 private:
  struct State;
  std::optional<WebSocketEvent> read();

  std::unique_ptr<State> state_;
  std::string_view input_;
  std::size_t max_message_;
  Role role_;
  Messages messages_;
  Compression compression_;
  bool finished_ = false;
};

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};
using MaskKey = std::array<std::uint8_t, 4>;

struct FrameOptions {
  bool final_fragment = true;
  std::optional<MaskKey> mask = std::nullopt;  // a client must set it, from an unpredictable source
  bool deflated = false;                       // RSV1, of a message's first frame (RFC 7692)
};

// One frame (section 5.2). Nothing is checked, so that tests can write bad ones; see below for good
// ones.
std::string encode_frame(Opcode opcode, std::string_view payload, FrameOptions options = {});

// Frames of a server, the same bytes for every receiver; `mask` makes them a client's.
// `text` must be valid UTF-8: a peer may fail the connection otherwise. Not checked here.
std::string encode_text(std::string_view text, std::optional<MaskKey> mask = std::nullopt);
// The same deflated (RFC 7692), for receivers with which that was agreed; plain where it is shorter
// than smallest_deflated bytes or would not get shorter. No message needs the one before it, so all
// receivers can be sent the same bytes.
inline constexpr std::size_t smallest_deflated = 100;
std::string encode_text_deflated(std::string_view text, std::optional<MaskKey> mask = std::nullopt);
std::string encode_binary(std::span<const std::byte> bytes,
                          std::optional<MaskKey> mask = std::nullopt);
// `payload`: at most 125 bytes (asserted); a pong carries its ping's (section 5.5.3).
std::string encode_ping(std::string_view payload, std::optional<MaskKey> mask = std::nullopt);
std::string encode_pong(std::string_view payload, std::optional<MaskKey> mask = std::nullopt);
// `code`: one that may_be_sent(), or close_code::none for an empty frame (asserted); a close
// event's code can be sent back as it is. `reason` is cut to 123 bytes, at a code point.
std::string encode_close(std::uint16_t code, std::string_view reason = {},
                         std::optional<MaskKey> mask = std::nullopt);

}  // namespace polyio::proto
