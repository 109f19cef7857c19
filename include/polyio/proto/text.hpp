// What people may send each other: valid UTF-8 text that can't move a cursor, hide itself or
// reverse a line. The rule: text from a peer passes check_text() before any other peer sees it, a
// name passes check_nickname().
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace polyio::proto {

// Any bytes; the empty text is valid. RFC 3629. Thread-safe.
bool valid_utf8(std::string_view text) noexcept;

// Why a text was refused. `position` is a byte offset counted from 0; it and `code_point` are 0 for
// invalid_utf8.
struct TextError {
  enum class Kind : std::uint8_t {
    invalid_utf8,
    control_character,
    line_separator,
    direction_control
  };
  Kind kind;
  std::size_t position = 0;
  char32_t code_point = 0;

  // Plain ASCII for the sender: "control character U+001B at byte 3", "invalid UTF-8".
  std::string message() const;
  bool operator==(const TextError&) const = default;
};

// Refuses invalid UTF-8 (RFC 3629), C0 controls except TAB, DEL, C1 controls, U+2028 and U+2029,
// and the direction controls of Unicode (UAX #9: U+061C, U+200E, U+200F, U+202A..202E,
// U+2066..2069). Any length; the empty text passes. Thread-safe.
std::expected<void, TextError> check_text(std::string_view text) noexcept;

inline constexpr std::size_t max_nickname_code_points = 32;
inline constexpr std::size_t max_nickname_bytes = 64;

// A nickname has 1 to 32 code points in at most 64 bytes, passes check_text(), has no TAB, no space
// first, last or twice in a row, no other white space and nothing invisible (soft hyphen,
// zero-width characters: two names that look alike must be alike), and none of []()',": so it can
// never be taken for an address like ('127.0.0.1', 5000). The error is a sentence for its owner
// saying what to change; it never repeats the input. Thread-safe.
std::expected<void, std::string> check_nickname(std::string_view nickname);

}  // namespace polyio::proto
