#include <polyio/proto/handshake.hpp>

#include <nettle/base64.h>
#include <nettle/sha1.h>

#include <array>
#include <cstdint>
#include <utility>

#include "ascii.hpp"
#include "deflate.hpp"

namespace polyio::proto {
namespace {

constexpr std::string_view websocket_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

std::unexpected<HttpError> refuse(int status, std::string_view reason) {
  return std::unexpected(HttpError{status, reason});
}

// Section 4.1: base64 of 16 bytes. nettle skips white space, which the count of bytes gives away.
bool is_key(std::string_view key) noexcept {
  if (key.size() != 24) return false;
  base64_decode_ctx context;
  base64_decode_init(&context);
  std::array<std::uint8_t, BASE64_DECODE_LENGTH(24)> decoded;
  std::size_t length = decoded.size();
  return base64_decode_update(&context, &length, decoded.data(), key.size(), key.data()) == 1 &&
         base64_decode_final(&context) == 1 && length == 16;
}

// A window's size, RFC 7692 section 7.1.2: 8 to 15, perhaps quoted.
int window_bits(std::string_view value) noexcept {
  value = unquoted(value);
  if (value == "8" || value == "9") return value.front() - '0';
  const bool two = value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5';
  return two ? 10 + value[1] - '0' : 0;
}

// The answer to one offer, empty if it is declined. `parameters`: what follows the name.
std::string answer_offer(std::string_view parameters) {
  std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  constexpr std::string_view names[] = {"server_no_context_takeover", "client_no_context_takeover",
                                        "server_max_window_bits", "client_max_window_bits"};
  bool seen[std::size(names)] = {};
  while (!parameters.empty()) {
    std::string_view value = take_part(parameters, ';', true);
    const bool valued = value.contains('=');
    const std::string_view name = take_part(value, '=');
    const auto which = static_cast<std::size_t>(std::ranges::find(names, name) - names);
    if (which == std::size(names) || std::exchange(seen[which], true)) return {};
    const int bits = window_bits(value);
    if (which < 2 ? valued : valued ? bits == 0 : which == 2) return {};
    if (which != 2) continue;
    if (bits < deflate_window_bits) return {};
    answer += "; server_max_window_bits=" + std::to_string(bits);
  }
  return answer;
}

}  // namespace

std::string deflate_answer(const Request& request) {
  const std::string offers = request.joined("Sec-WebSocket-Extensions");
  for (std::string_view rest = offers; !rest.empty();) {
    std::string_view offer = take_part(rest, ',', true);
    if (take_part(offer, ';') != "permessage-deflate") continue;
    if (std::string answer = answer_offer(offer); !answer.empty()) return answer;
  }
  return {};
}

std::string accept_key(std::string_view key) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
  };
  sha1_ctx context;
  sha1_init(&context);
  sha1_update(&context, key.size(), bytes(key));
  sha1_update(&context, websocket_guid.size(), bytes(websocket_guid));
  std::array<std::uint8_t, SHA1_DIGEST_SIZE> digest;
  sha1_digest(&context, digest.size(), digest.data());
  std::string text(BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE), '\0');
  base64_encode_raw(text.data(), digest.size(), digest.data());
  return text;
}

std::expected<std::string, HttpError> check_upgrade(const Request& request) {
  if (request.method != "GET") return refuse(405, "a WebSocket is opened with GET");
  if (!request.lists("Upgrade", "websocket")) return refuse(426, "this is a WebSocket");
  if (request.minor_version < 1) return refuse(400, "a WebSocket needs HTTP/1.1");
  if (!request.lists("Connection", "upgrade")) return refuse(400, "Connection: Upgrade is missing");
  if (request.count("Sec-WebSocket-Version") != 1) {
    return refuse(400, "not exactly one Sec-WebSocket-Version");
  }
  if (request.header("Sec-WebSocket-Version") != "13") {
    return refuse(426, "only version 13 of WebSocket is spoken here");
  }
  if (request.count("Sec-WebSocket-Key") != 1 || !is_key(*request.header("Sec-WebSocket-Key"))) {
    return refuse(400, "not exactly one valid Sec-WebSocket-Key");
  }
  if (!request.body.empty()) return refuse(400, "an upgrade with a body");
  return accept_key(*request.header("Sec-WebSocket-Key"));
}

std::string upgrade_response(std::string_view accept, std::string_view extensions) {
  const HeaderView headers[] = {{"Upgrade", "websocket"},
                                {"Connection", "Upgrade"},
                                {"Sec-WebSocket-Accept", accept},
                                {"Sec-WebSocket-Extensions", extensions}};
  return response(101, std::span(headers).first(extensions.empty() ? 3 : 4), {});
}

std::string refusal_response(const HttpError& error) {
  const std::string body = std::string(error.reason) + '\n';
  constexpr HeaderView type{"Content-Type", "text/plain; charset=utf-8"};
  if (error.status == 405) {
    return response(405, {type, {"Allow", "GET"}, {"Connection", "close"}}, body);
  }
  if (error.status == 426) {
    return response(426,
                    {type,
                     {"Upgrade", "websocket"},
                     {"Connection", "Upgrade, close"},
                     {"Sec-WebSocket-Version", "13"}},
                    body);
  }
  return error_response(error);
}

}  // namespace polyio::proto
