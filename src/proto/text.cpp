#include <polyio/proto/text.hpp>

#include <fmt/format.h>
#include <simdjson.h>

#include <optional>
#include <polyio/base/text.hpp>

namespace polyio::proto {
namespace {

using Kind = TextError::Kind;

constexpr bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

std::optional<Kind> refused(char32_t c) noexcept {
  if (is_control(c)) return Kind::control_character;
  if (is_line_separator(c)) return Kind::line_separator;
  if (is_direction_control(c)) return Kind::direction_control;
  return std::nullopt;
}

// White space other than U+0020, and code points that draw nothing (Unicode's White_Space and
// Default_Ignorable_Code_Point, annotations and musical controls): in a name they would let one
// client pass for another.
bool invisible(char32_t c) noexcept {
  return c == 0xa0 || c == 0xad || c == 0x34f || in(c, 0x115f, 0x1160) || c == 0x1680 ||
         in(c, 0x17b4, 0x17b5) || in(c, 0x180b, 0x180f) || in(c, 0x2000, 0x200d) || c == 0x202f ||
         in(c, 0x205f, 0x206f) || c == 0x2800 || c == 0x3000 || c == 0x3164 ||
         in(c, 0xfe00, 0xfe0f) || c == 0xfeff || c == 0xffa0 || in(c, 0xfff0, 0xfffb) ||
         in(c, 0x1bca0, 0x1bca3) || in(c, 0x1d173, 0x1d17a) || in(c, 0xe0000, 0xe0fff);
}

const char* name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::invalid_utf8: return "invalid UTF-8";
    case Kind::control_character: return "control character";
    case Kind::line_separator: return "line separator";
    case Kind::direction_control: return "direction control";
  }
  return "invalid text";
}

using Verdict = std::expected<void, std::string>;
Verdict refuse(std::string text) { return std::unexpected(std::move(text)); }

Verdict check_spaces(std::string_view nickname) {
  if (nickname.starts_with(' ') || nickname.ends_with(' ')) {
    return refuse("remove the space at the start or end of the nickname");
  }
  if (nickname.find("  ") != nickname.npos) return refuse("use single spaces inside the nickname");
  return {};
}

}  // namespace

bool valid_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string TextError::message() const {
  if (kind == Kind::invalid_utf8) return name_of(kind);
  return fmt::format("{} U+{:04X} at byte {}", name_of(kind),
                     static_cast<std::uint32_t>(code_point), position);
}

std::expected<void, TextError> check_text(std::string_view text) noexcept {
  if (!valid_utf8(text)) return std::unexpected(TextError{Kind::invalid_utf8});
  for (std::size_t at = 0; at < text.size();) {
    const auto [code_point, length] = first_code_point(text.substr(at));
    if (const auto kind = refused(code_point)) {
      return std::unexpected(TextError{*kind, at, code_point});
    }
    at += length;
  }
  return {};
}

std::expected<void, std::string> check_nickname(std::string_view nickname) {
  if (nickname.empty()) return refuse("choose a nickname of at least 1 character");
  const auto too_long = [] {
    return refuse(fmt::format("choose a shorter nickname: at most {} characters and {} bytes",
                              max_nickname_code_points, max_nickname_bytes));
  };
  if (nickname.size() > max_nickname_bytes) return too_long();
  if (const auto text = check_text(nickname); !text) {
    return refuse("choose a nickname without " + text.error().message());
  }
  std::size_t code_points = 0;
  for (std::size_t at = 0; at < nickname.size(); ++code_points) {
    const auto [code_point, length] = first_code_point(nickname.substr(at));
    if (code_point == '\t') return refuse("choose a nickname without a tab");
    if (invisible(code_point)) {
      return refuse(fmt::format("choose a nickname without the invisible character U+{:04X}",
                                static_cast<std::uint32_t>(code_point)));
    }
    at += length;
  }
  if (code_points > max_nickname_code_points) return too_long();
  if (nickname.find_first_of("[]()',\"") != nickname.npos) {
    return refuse("choose a nickname without any of []()',\"");
  }
  return check_spaces(nickname);
}

}  // namespace polyio::proto
