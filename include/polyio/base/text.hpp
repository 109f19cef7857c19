// Code points of UTF-8, and bytes from anywhere made fit for one line of a log. The rule: whatever
// came from a peer goes to a log through escape_for_log(), so it can neither move a cursor nor
// forge a line. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace polyio {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // bytes it takes; 0: no valid UTF-8 begins here
};

// The code point that `text` begins with (RFC 3629: no overlong form, no surrogate, at most
// U+10FFFF).
CodePoint first_code_point(std::string_view text) noexcept;

// C0 controls except TAB, DEL, and C1 controls.
constexpr bool is_control(char32_t c) noexcept {
  return (c < 0x20 && c != '\t') || (c >= 0x7f && c <= 0x9f);
}
// U+2028 and U+2029.
constexpr bool is_line_separator(char32_t c) noexcept { return c == 0x2028 || c == 0x2029; }
// What turns the direction of writing (UAX #9): U+061C, U+200E, U+200F, U+202A..202E, U+2066..2069.
constexpr bool is_direction_control(char32_t c) noexcept {
  return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

// `bytes` made fit for one line of a log: each byte of a control, line separator or direction
// control, of TAB and of a backslash becomes \xNN; when the bytes are not valid UTF-8 as a whole,
// every byte above 0x7F does. Input beyond `max_bytes` is cut (at a code point) and "..." is put
// there.
std::string escape_for_log(std::string_view bytes, std::size_t max_bytes = 256);

}  // namespace polyio
