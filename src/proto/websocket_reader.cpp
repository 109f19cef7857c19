#include <polyio/base/assert.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "deflate.hpp"

namespace polyio::proto {
namespace {

using Event = WebSocketEvent;
using Kind = WebSocketEvent::Kind;

Event refuse(std::uint16_t code, std::string_view why) { return {Kind::error, why, code}; }
constexpr Event too_big{Kind::error, "message is too big", close_code::too_big};

// What a message within the limit may have deflated, with room for writers that waste some.
std::uint64_t most_deflated(std::size_t max_message) noexcept {
  return std::uint64_t{max_message} + max_message / 8 + 64;
}

bool is_control(std::uint8_t opcode) noexcept { return opcode >= 8; }

// Bytes before the payload; wslay accepts the shortest form of the length only (section 5.2).
std::uint64_t header_length(const wslay_frame_iocb& frame) noexcept {
  const std::uint64_t extended = frame.payload_length > 0xffff ? 8
                                 : frame.payload_length > 125  ? 2
                                                               : 0;
  return 2 + extended + (frame.mask ? 4 : 0);
}

// The payload of a close frame, section 5.5.1.
Event read_close(std::string_view payload) {
  if (payload.empty()) return {Kind::close, {}, close_code::none};
  if (payload.size() == 1) return refuse(close_code::protocol_error, "half a close code");
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(payload[i]); };
  const auto code = static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
  if (!may_be_sent(code)) return refuse(close_code::protocol_error, "invalid close code");
  payload.remove_prefix(2);
  if (!valid_utf8(payload)) return refuse(close_code::invalid_text, "close reason is not UTF-8");
  return {Kind::close, payload, code};
}

}  // namespace

bool may_be_sent(std::uint16_t code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

// There while a frame or a fragmented message is under way. A wslay context is 4 KiB, nearly all of
// it its input buffer, which is why an idle reader has none.
struct WebSocketReader::State {
  explicit State(std::string_view& from) {
    const wslay_frame_callbacks callbacks{nullptr, &State::receive, nullptr};
    source = &from;
    if (wslay_frame_context_init(&context, &callbacks, this) != 0) throw std::bad_alloc();
  }
  ~State() { wslay_frame_context_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // wslay asks for up to `length` bytes; -1 means that there are none yet.
  static ssize_t receive(std::uint8_t* to, std::size_t length, int, void* user) noexcept {
    State& state = *static_cast<State*>(user);
    std::string_view& from = *state.source;
    const std::size_t count = std::min(length, from.size());
    if (count == 0) return -1;
    std::memcpy(to, from.data(), count);
    from.remove_prefix(count);
    state.unread += count;
    return static_cast<ssize_t>(count);
  }

  // No byte of an unfinished frame, no unfinished message.
  bool idle() const noexcept { return unread == 0 && !in_frame && !in_message; }
  void forget_answered() noexcept {
    if (!in_message) message.clear();
    if (!in_frame) control.clear();
  }

  wslay_frame_context_ptr context = nullptr;
  std::string_view* source;
  std::uint64_t unread = 0;  // bytes given to wslay and not yet seen in a frame
  std::uint64_t frame_left = 0;
  bool in_frame = false;             // some payload of the current frame is still to come
  bool in_message = false;           // a message has begun and not ended,
  bool binary = false;               // which is this
  std::string message;               // what has come of it
  std::optional<Inflater> inflater;  // where it came deflated, in
  std::uint64_t deflated_left = 0;   // bytes of it that may still come
  std::string control;               // what has come of the current control frame

  std::optional<Event> begin_frame(const wslay_frame_iocb& frame, const WebSocketReader& reader);
  std::optional<Event> add(const wslay_frame_iocb& frame, std::size_t max_message);
  std::optional<Event> inflate(std::string_view piece, std::size_t max_message);
  std::optional<Event> end_control(const wslay_frame_iocb& frame, std::string_view payload) const;
};

// What is wrong with a frame by its header, section 5.
std::optional<Event> WebSocketReader::State::begin_frame(const wslay_frame_iocb& frame,
                                                         const WebSocketReader& reader) {
  const auto broken = [](std::string_view why) { return refuse(close_code::protocol_error, why); };
  const bool first = frame.opcode == WSLAY_TEXT_FRAME || frame.opcode == WSLAY_BINARY_FRAME;
  const bool deflated =
      frame.rsv == WSLAY_RSV1_BIT && first && reader.compression_ == Compression::deflate;
  if (frame.rsv != 0 && !deflated) return broken("reserved bits are set");
  if (reader.role_ == Role::server && !frame.mask) return broken("frame is not masked");
  if (reader.role_ == Role::client && frame.mask) return broken("frame is masked");
  if (is_control(frame.opcode)) {
    const bool known = frame.opcode <= WSLAY_PONG;
    return known ? std::nullopt : std::optional(broken("unknown opcode"));
  }
  if (frame.opcode > WSLAY_BINARY_FRAME) return broken("unknown opcode");
  if (frame.opcode == WSLAY_CONTINUATION_FRAME && !in_message) return broken("nothing to continue");
  if (first && in_message) return broken("new message inside a fragmented one");
  if (first) binary = frame.opcode == WSLAY_BINARY_FRAME;
  if (binary && reader.messages_ == Messages::text) {
    return refuse(close_code::unsupported_data, "binary messages are not accepted");
  }
  if (deflated) {
    inflater.emplace();
    deflated_left = most_deflated(reader.max_message_);
  }
  if (frame.payload_length > (inflater ? deflated_left : reader.max_message_ - message.size())) {
    return too_big;
  }
  if (inflater) deflated_left -= frame.payload_length;
  return std::nullopt;
}

// Adds a piece of a deflated message; in_message says whether it is the last.
std::optional<Event> WebSocketReader::State::inflate(std::string_view piece,
                                                     std::size_t max_message) {
  Inflater::Result result = inflater->add(piece, message, max_message);
  if (result == Inflater::Result::fine && !in_message) {
    result = inflater->finish(message, max_message);
    inflater.reset();
  }
  switch (result) {
    case Inflater::Result::too_big: return too_big;
    case Inflater::Result::malformed:
      return refuse(close_code::invalid_text, "message can't be inflated");
    default: return std::nullopt;
  }
}

std::optional<Event> WebSocketReader::State::end_control(const wslay_frame_iocb& frame,
                                                         std::string_view payload) const {
  switch (frame.opcode) {
    case WSLAY_PING: return Event{Kind::ping, payload};
    case WSLAY_PONG: return Event{Kind::pong, payload};
    default: return read_close(payload);
  }
}

// Adds a piece of a frame's payload and answers what it completes. A message or control frame that
// wslay delivers in one piece is lent from its buffer, not copied.
std::optional<Event> WebSocketReader::State::add(const wslay_frame_iocb& frame,
                                                 std::size_t max_message) {
  const std::string_view piece(reinterpret_cast<const char*>(frame.data), frame.data_length);
  const bool whole = piece.size() == frame.payload_length;
  if (is_control(frame.opcode)) {
    if (!whole) control.append(piece);
    if (in_frame) return std::nullopt;
    return end_control(frame, whole ? piece : std::string_view(control));
  }
  const bool lent = whole && frame.fin && message.empty() && !inflater;
  in_message = in_frame || !frame.fin;
  if (inflater) {
    if (const auto error = inflate(piece, max_message)) return error;
  } else if (!lent) {
    message.append(piece);
  }
  if (in_message) return std::nullopt;
  const std::string_view text = lent ? piece : std::string_view(message);
  if (binary) return Event{.kind = Kind::message, .payload = text, .binary = true};
  if (!valid_utf8(text)) return refuse(close_code::invalid_text, "message is not UTF-8");
  return Event{Kind::message, text};
}

WebSocketReader::WebSocketReader(Role role, std::size_t max_message, Messages messages,
                                 Compression compression) noexcept
    : max_message_(max_message), role_(role), messages_(messages), compression_(compression) {}
WebSocketReader::~WebSocketReader() = default;
WebSocketReader::WebSocketReader(WebSocketReader&&) noexcept = default;
WebSocketReader& WebSocketReader::operator=(WebSocketReader&&) noexcept = default;

void WebSocketReader::feed(std::span<const std::byte> bytes) noexcept {
  POLYIO_ASSERT(input_.empty());
  if (finished_) return;
  input_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<WebSocketEvent> WebSocketReader::next() {
  if (finished_) {
    state_.reset();
    return std::nullopt;
  }
  if (!state_) {
    if (input_.empty()) return std::nullopt;
    state_ = std::make_unique<State>(input_);
  }
  state_->source = &input_;  // the reader may have been moved
  state_->forget_answered();
  const auto event = read();
  if (!event && state_->idle()) state_.reset();
  if (event && (event->kind == Kind::close || event->kind == Kind::error)) {
    finished_ = true;
    input_ = {};
  }
  return event;
}

std::optional<WebSocketEvent> WebSocketReader::read() {
  State& state = *state_;
  for (;;) {
    wslay_frame_iocb frame{};
    const ssize_t count = wslay_frame_recv(state.context, &frame);
    if (count == WSLAY_ERR_WANT_READ) return std::nullopt;
    if (count < 0) return refuse(close_code::protocol_error, "malformed frame header");
    if (!state.in_frame) {
      if (const auto error = state.begin_frame(frame, *this)) return error;
      state.unread -= header_length(frame);
      state.frame_left = frame.payload_length;
    }
    state.unread -= frame.data_length;
    state.frame_left -= frame.data_length;
    state.in_frame = state.frame_left > 0;
    if (const auto event = state.add(frame, max_message_)) return event;
  }
}

}  // namespace polyio::proto
