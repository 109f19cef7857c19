// Character classes of RFC 9110 for the sources of this room, free of the C locale.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

namespace polyio::proto {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool is_alpha(char c) noexcept { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_hex(char c) noexcept {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}
constexpr std::size_t hex_value(char c) noexcept {
  return static_cast<std::size_t>(is_digit(c) ? c - '0' : lower(c) - 'a' + 10);
}

// tchar, RFC 9110 section 5.6.2.
constexpr bool is_token_char(char c) noexcept {
  return is_digit(c) || is_alpha(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}
constexpr bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}
// A control character by RFC 5234 (CTL), TAB included.
constexpr bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
// VCHAR, RFC 5234: printable ASCII without the space.
constexpr bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }

constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}
constexpr bool starts_ignoring_case(std::string_view text, std::string_view start) noexcept {
  return equal_ignoring_case(text.substr(0, start.size()), start);
}
// Without the spaces and tabs around it (OWS, RFC 9110 section 5.6.3).
constexpr std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// `text` without the quotes around it, if it has them.
constexpr std::string_view unquoted(std::string_view text) noexcept {
  const bool quoted = text.size() >= 2 && text.starts_with('"') && text.ends_with('"');
  return quoted ? text.substr(1, text.size() - 2) : text;
}
// All of `text` as a number up to `most`, as it is written without need: no sign, no leading zero.
inline std::optional<unsigned> number(std::string_view text, unsigned most,
                                      int base = 10) noexcept {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  const bool plain = base == 16 ? text.size() <= 4 : text == "0" || !text.starts_with('0');
  return whole && plain && value <= most ? std::optional(value) : std::nullopt;
}
// Takes the part before the next `separator` off `rest`, trimmed; with `quotes`, separators inside
// a quoted string (RFC 9110 section 5.6.4) are none.
constexpr std::string_view take_part(std::string_view& rest, char separator, bool quotes = false) {
  std::size_t end = 0;
  for (bool quoted = false; end < rest.size() && (quoted || rest[end] != separator); ++end) {
    if (quoted && rest[end] == '\\' && end + 1 < rest.size()) {
      ++end;
    } else if (quotes && rest[end] == '"') {
      quoted = !quoted;
    }
  }
  const std::string_view part = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace polyio::proto
