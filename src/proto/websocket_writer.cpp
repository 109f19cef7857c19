#include <polyio/base/assert.hpp>
#include <polyio/proto/websocket.hpp>

#include "deflate.hpp"

namespace polyio::proto {
namespace {

constexpr std::size_t max_control_payload = 125;  // section 5.5

void append_byte(std::string& out, std::uint64_t value) {
  out.push_back(static_cast<char>(static_cast<std::uint8_t>(value)));
}

void append_length(std::string& out, std::uint64_t length, std::uint8_t mask_bit) {
  const std::uint64_t bytes = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  append_byte(out, mask_bit | (bytes == 8 ? 127 : bytes == 2 ? 126 : length));
  for (std::uint64_t left = bytes; left > 0; --left) append_byte(out, length >> (8 * (left - 1)));
}

// At most `limit` bytes of `text`, cut at the start of a code point.
std::string_view cut(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0u) == 0x80u) --limit;
  return text.substr(0, limit);
}

}  // namespace

std::string encode_frame(Opcode opcode, std::string_view payload, FrameOptions options) {
  std::string out;
  out.reserve(payload.size() + 14);
  append_byte(out, static_cast<std::uint8_t>(opcode) | (options.final_fragment ? 0x80u : 0u) |
                       (options.deflated ? 0x40u : 0u));
  append_length(out, payload.size(), options.mask ? 0x80u : 0u);
  if (!options.mask) return out.append(payload);
  const MaskKey& key = *options.mask;
  for (const std::uint8_t byte : key) append_byte(out, byte);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    append_byte(out, static_cast<std::uint8_t>(payload[i]) ^ key[i % 4]);
  }
  return out;
}

std::string encode_text(std::string_view text, std::optional<MaskKey> mask) {
  return encode_frame(Opcode::text, text, {.mask = mask});
}

std::string encode_text_deflated(std::string_view text, std::optional<MaskKey> mask) {
  if (text.size() >= smallest_deflated) {
    if (const auto payload = deflated(text)) {
      return encode_frame(Opcode::text, *payload, {.mask = mask, .deflated = true});
    }
  }
  return encode_text(text, mask);
}

std::string encode_binary(std::span<const std::byte> bytes, std::optional<MaskKey> mask) {
  const std::string_view payload(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return encode_frame(Opcode::binary, payload, {.mask = mask});
}

std::string encode_ping(std::string_view payload, std::optional<MaskKey> mask) {
  POLYIO_ASSERT(payload.size() <= max_control_payload);
  return encode_frame(Opcode::ping, payload, {.mask = mask});
}

std::string encode_pong(std::string_view payload, std::optional<MaskKey> mask) {
  POLYIO_ASSERT(payload.size() <= max_control_payload);
  return encode_frame(Opcode::pong, payload, {.mask = mask});
}

std::string encode_close(std::uint16_t code, std::string_view reason, std::optional<MaskKey> mask) {
  if (code == close_code::none) return encode_frame(Opcode::close, {}, {.mask = mask});
  POLYIO_ASSERT(may_be_sent(code));
  std::string payload;
  append_byte(payload, code >> 8);
  append_byte(payload, code);
  payload.append(cut(reason, max_control_payload - 2));
  return encode_frame(Opcode::close, payload, {.mask = mask});
}

}  // namespace polyio::proto
