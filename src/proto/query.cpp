#include <polyio/proto/query.hpp>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at] == '+' ? ' ' : text[at];
    if (c == '%') {
      if (text.size() - at < 3 || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) {
        return std::nullopt;
      }
      c = static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
      at += 2;
    }
    out += c;
  }
  return out;
}

}  // namespace

std::expected<std::optional<std::string>, HttpError> query_value(std::string_view target,
                                                                 std::string_view name) {
  (void)take_part(target, '?');
  while (!target.empty()) {
    std::string_view value = take_part(target, '&');
    const auto key = decode(take_part(value, '='));
    auto decoded = decode(value);
    if (!key || !decoded)
      return std::unexpected(HttpError{400, "an escape in the query is malformed"});
    if (*key == name) return decoded;
  }
  return std::nullopt;
}

std::optional<std::string_view> cookie(const Request& request, std::string_view name) noexcept {
  for (const Header& header : request.headers) {
    if (!equal_ignoring_case(header.name, "Cookie")) continue;
    for (std::string_view rest = header.value; !rest.empty();) {
      std::string_view value = take_part(rest, ';');
      const bool named = value.contains('=');
      if (take_part(value, '=') == name && named) return value;
    }
  }
  return std::nullopt;
}

}  // namespace polyio::proto
